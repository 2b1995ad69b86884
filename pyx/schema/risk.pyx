cimport cython

from engine.schema.event cimport RISK_CONTROL, Event
from engine.schema.texts cimport cut_text, put_text

from engine.schema.enums import by_number
from engine.schema.event import register_class
from engine.schema.order import Breach, RiskControlKind, RiskScope, RiskStatus

cdef tuple _STATUSES = by_number(RiskStatus)
cdef tuple _CONTROLS = by_number(RiskControlKind)
cdef tuple _BREACHES = by_number(Breach)


@cython.final
cdef class RiskControl(Event):
    """Orders are held back, or no longer; told to every consumer in scope and never dropped (EVT-22)."""

    def __cinit__(self):
        self.s.data = &self.c
        self.s.data_size = sizeof(ControlData)
        self.s.type = RISK_CONTROL

    cdef object own_fields(self):
        return ("status", "control", "scope", "breach", "breach_count", "until_ns", "operator", "text")

    cdef int fill_own(self, str name, object value) except -1:
        if name == "status":
            self.c.status = RiskStatus(value) if value is not None else 0
        elif name == "control":
            self.c.control = RiskControlKind(value) if value is not None else 0
        elif name == "scope":
            put_text(self.c.provider, NAME_MAX, value.provider or "")
            put_text(self.c.symbol, SYMBOL_MAX, value.symbol or "")
            put_text(self.c.consumer_id, NAME_MAX, value.consumer_id or "")
        elif name == "breach":
            self.c.breach = Breach(value) if value is not None else 0
        elif name == "breach_count":
            self.c.breach_count = value
        elif name == "until_ns":
            self.c.until_ns = 0 if value is None else value
        elif name == "operator":
            cut_text(self.c.operator_name, OPERATOR_MAX, value or "")
        elif name == "text":
            cut_text(self.c.text, TEXT_MAX, value)
        else:
            Event.fill_own(self, name, value)
        return 0

    @property
    def status(self):
        """RiskStatus: whether it holds them back now."""
        self.guard()
        return _STATUSES[self.c.status]

    @property
    def control(self):
        """RiskControlKind: what does."""
        self.guard()
        return _CONTROLS[self.c.control]

    @property
    def scope(self):
        """RiskScope: whose orders."""
        self.guard()
        return RiskScope(
            provider=self.c.provider.decode() or None,
            symbol=self.c.symbol.decode() or None,
            consumer_id=self.c.consumer_id.decode() or None)

    @property
    def breach(self):
        """Breach: the refusal that brought it about, where one did."""
        self.guard()
        return _BREACHES[self.c.breach] if self.c.breach else None

    @property
    def breach_count(self) -> int:
        """How many did."""
        self.guard()
        return self.c.breach_count

    @property
    def until_ns(self):
        """When it ends by itself, ns since 1970 UTC; None = when it is cleared."""
        self.guard()
        return self.c.until_ns or None

    @property
    def operator(self):
        """Who asked for it; None = the engine by itself."""
        self.guard()
        return self.c.operator_name.decode() or None

    @property
    def text(self) -> str:
        """What has happened, in words."""
        self.guard()
        return self.c.text.decode()


register_class(RiskControl, RISK_CONTROL)
