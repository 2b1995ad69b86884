cimport cython

from engine.base.errors import MisuseError

cdef bint _is_building = False             # make_approved() is at work; the interpreter's lock is held all the while


@cython.final
cdef class ApprovedOrder:
    """An order that risk let pass (ORDM-04). Nobody else can build one, copy one or read one back from bytes.

    Attributes:
        request: what was asked for.
        wire_order_id: its id at the venue, in the venue's spelling.
        reservation: risk's own, to be freed once.
    """

    def __cinit__(self, *args, **kwargs):
        if not _is_building:
            raise MisuseError("an approved order can be built by risk only", op="order.approve",
                              hint="submit the order: risk looks at it")

    def __reduce__(self):
        raise MisuseError("an approved order cannot be copied or pickled", op="order.approve",
                          hint="keep its request and its wire id")

    def __repr__(self) -> str:
        return f"<ApprovedOrder {self.wire_order_id}>"


cdef ApprovedOrder make_approved(object request, str wire_order_id, object reservation):
    global _is_building
    cdef ApprovedOrder approved
    _is_building = True
    try:
        approved = ApprovedOrder.__new__(ApprovedOrder)
    finally:
        _is_building = False
    approved.request = request
    approved.wire_order_id = wire_order_id
    approved.reservation = reservation
    return approved
