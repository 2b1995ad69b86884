"""The keys of Binance's payloads that have more than one letter. Inline only."""
from libc.string cimport memcmp


cdef enum:
    NAMED_STREAM = 0
    NAMED_LAST_UPDATE_ID = 1
    NAMED_BIDS = 2
    NAMED_ASKS = 3
    NAMED_RESULT = 4
    NAMED_ID = 5
    NAMED_CODE = 6
    NAMED_MSG = 7
    NAMED_DATA = 8             # no token of its own: the payload is read where it stands


cdef inline int named_key(const char* key, Py_ssize_t length) noexcept nogil:
    if length == 6 and memcmp(key, b"stream", 6) == 0:
        return NAMED_STREAM
    if length == 12 and memcmp(key, b"lastUpdateId", 12) == 0:
        return NAMED_LAST_UPDATE_ID
    if length == 4 and memcmp(key, b"bids", 4) == 0:
        return NAMED_BIDS
    if length == 4 and memcmp(key, b"asks", 4) == 0:
        return NAMED_ASKS
    if length == 6 and memcmp(key, b"result", 6) == 0:
        return NAMED_RESULT
    if length == 2 and memcmp(key, b"id", 2) == 0:
        return NAMED_ID
    if length == 4 and memcmp(key, b"code", 4) == 0:
        return NAMED_CODE
    if length == 3 and memcmp(key, b"msg", 3) == 0:
        return NAMED_MSG
    return -1
