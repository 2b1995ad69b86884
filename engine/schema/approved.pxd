"""An order that risk let pass: what alone a gateway sends (ORDM-04)."""
cimport cython


@cython.final
cdef class ApprovedOrder:
    """Built by risk alone; held by the desk until its order has ended, lent to a gateway. Never changed."""
    cdef readonly object request           # OrderRequest
    cdef readonly str wire_order_id        # in the venue's spelling
    cdef readonly object reservation       # of risk: what to free, once, when the order holds nothing back any more


cdef ApprovedOrder make_approved(object request, str wire_order_id, object reservation)
