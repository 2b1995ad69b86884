cimport cython

from engine.schema.event cimport CONTROL_ACK, CONTROL_RESULT, INSTRUMENT_UPDATE, Event
from engine.schema.texts cimport cut_text

import msgspec

from engine.schema.enums import InstrumentChange, by_number
from engine.schema.event import register_class
from engine.schema.instrument import Instrument

cdef tuple _CHANGES = by_number(InstrumentChange)
cdef list _records = []                     # instrument records that events refer to, never changed


def keep_record(record: Instrument) -> int:
    """Give an instrument record a place that an InstrumentUpdate can carry."""
    _records.append(record)
    return len(_records)


@cython.final
cdef class ControlAck(Event):
    """The answer to one command: exactly one per message_id, never dropped (EVT-17)."""

    def __cinit__(self):
        self.s.data = &self.a
        self.s.data_size = sizeof(AckData)
        self.s.type = CONTROL_ACK

    cdef object own_fields(self):
        return ("message_id", "consumer_id", "command_type", "success", "error")

    cdef int fill_own(self, str name, object value) except -1:
        if name == "message_id":
            cut_text(self.a.message_id, MESSAGE_ID_MAX, value)
        elif name == "consumer_id":
            cut_text(self.a.consumer_id, CONSUMER_ID_MAX, value)
        elif name == "command_type":
            cut_text(self.a.command_type, COMMAND_MAX, value)
        elif name == "success":
            self.a.success = value
        elif name == "error":
            cut_text(self.a.error_code, ERROR_CODE_MAX, value["code"] if value else "")
            cut_text(self.a.error_text, ERROR_TEXT_MAX, value["message"] if value else "")
        else:
            Event.fill_own(self, name, value)
        return 0

    @property
    def message_id(self) -> str:
        """Id of the command it answers."""
        self.guard()
        return self.a.message_id.decode()

    @property
    def consumer_id(self) -> str:
        """Who gave the command."""
        self.guard()
        return self.a.consumer_id.decode()

    @property
    def command_type(self) -> str:
        """Kind of the command: ``subscribe``, ``set_trading_mode``."""
        self.guard()
        return self.a.command_type.decode()

    @property
    def success(self) -> bool:
        """Whether it was obeyed."""
        self.guard()
        return bool(self.a.success)

    @property
    def error(self):
        """``{"code", "message"}`` if and only if it was not."""
        self.guard()
        if self.a.error_code[0] == 0:
            return None
        return {"code": self.a.error_code.decode(), "message": self.a.error_text.decode("utf-8", "replace")}


@cython.final
cdef class ControlResult(Event):
    """What a command came to: exactly one after the acknowledgement of one that has an outcome, never dropped (EVT-18)."""

    def __cinit__(self):
        self.s.data = &self.r
        self.s.data_size = sizeof(ResultData)
        self.s.type = CONTROL_RESULT

    cdef object own_fields(self):
        return ("message_id", "consumer_id", "command_type", "result")

    cdef int fill_own(self, str name, object value) except -1:
        cdef bytes encoded
        if name == "message_id":
            cut_text(self.r.message_id, MESSAGE_ID_MAX, value)
        elif name == "consumer_id":
            cut_text(self.r.consumer_id, CONSUMER_ID_MAX, value)
        elif name == "command_type":
            cut_text(self.r.command_type, COMMAND_MAX, value)
        elif name == "result":
            encoded = msgspec.json.encode(dict(value)) if value else b""
            if len(encoded) > RESULT_MAX:
                raise ValueError(f"result of {len(encoded)} bytes, at most {RESULT_MAX}")
            cut_text(self.r.result, RESULT_MAX, encoded.decode())
        else:
            Event.fill_own(self, name, value)
        return 0

    @property
    def message_id(self) -> str:
        """Id of the command."""
        self.guard()
        return self.r.message_id.decode()

    @property
    def consumer_id(self) -> str:
        """Who gave the command."""
        self.guard()
        return self.r.consumer_id.decode()

    @property
    def command_type(self) -> str:
        """Kind of the command."""
        self.guard()
        return self.r.command_type.decode()

    @property
    def result(self) -> dict[str, object]:
        """A JSON object, by kind of command; a new one at each reading."""
        self.guard()
        return msgspec.json.decode(self.r.result) if self.r.result[0] else {}


@cython.final
cdef class InstrumentUpdate(Event):
    """A new version of an instrument's record (EVT-20)."""

    def __cinit__(self):
        self.s.data = &self.d
        self.s.data_size = sizeof(InstrumentData)
        self.s.type = INSTRUMENT_UPDATE

    cdef object own_fields(self):
        return ("instrument", "change", "changed_fields")

    cdef int fill_own(self, str name, object value) except -1:
        if name == "instrument":
            self.d.record = keep_record(value) if value is not None else 0
        elif name == "change":
            self.d.change = InstrumentChange(value) if value is not None else 0
        elif name == "changed_fields":
            names = Instrument.__struct_fields__
            self.d.changed_fields = sum(1 << names.index(field) for field in value)
        else:
            Event.fill_own(self, name, value)
        return 0

    @property
    def instrument(self):
        """The record as it is now."""
        self.guard()
        return _records[self.d.record - 1] if self.d.record else None

    @property
    def change(self):
        """InstrumentChange: what happened."""
        self.guard()
        return _CHANGES[self.d.change]

    @property
    def changed_fields(self) -> tuple[str, ...]:
        """Fields of the record that changed, in its order."""
        self.guard()
        return tuple(name for i, name in enumerate(Instrument.__struct_fields__) if self.d.changed_fields >> i & 1)


register_class(ControlAck, CONTROL_ACK)
register_class(ControlResult, CONTROL_RESULT)
register_class(InstrumentUpdate, INSTRUMENT_UPDATE)
