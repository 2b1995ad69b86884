"""Events the engine makes itself: answers to commands, and what changed about an instrument."""
from libc.stdint cimport uint8_t, uint32_t

cimport cython

from engine.schema.event cimport Event

cdef enum:
    MESSAGE_ID_MAX = 64
    CONSUMER_ID_MAX = 32
    COMMAND_MAX = 24
    ERROR_CODE_MAX = 24
    ERROR_TEXT_MAX = 256
    RESULT_MAX = 4096


cdef struct AckData:
    char[65] message_id
    char[33] consumer_id
    char[25] command_type
    char[25] error_code
    char[257] error_text
    uint8_t success


cdef struct ResultData:
    char[65] message_id
    char[33] consumer_id
    char[25] command_type
    char[4097] result          # a JSON object; empty = {}


cdef struct InstrumentData:
    uint32_t record            # place in the process-wide list of instrument records, + 1
    uint32_t changed_fields    # bit per field of the record, in its order
    uint8_t change             # InstrumentChange


@cython.final
cdef class ControlAck(Event):
    cdef AckData a


@cython.final
cdef class ControlResult(Event):
    cdef ResultData r


@cython.final
cdef class InstrumentUpdate(Event):
    cdef InstrumentData d
