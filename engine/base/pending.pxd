"""Exceptions taken up where they come, without a `try` where none does: each `try` saves and restores the thread's
exception state, which costs more than most callbacks. Inline only.

A function that raises is called through a type that does not say so; a result below 0 tells that an exception is under
way. Then nothing may be called that asks for one, until pending() raises it or the result is handed on.
"""


cdef inline int pending() except -1:
    """Raise the exception that is under way."""
    return -1
