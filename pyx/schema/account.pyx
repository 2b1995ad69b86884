cimport cython

from engine.schema.event cimport BALANCE_UPDATE, Event
from engine.schema.texts cimport put_text

from engine.schema.enums import BalanceCause, by_number
from engine.schema.event import register_class

cdef tuple _CAUSES = by_number(BalanceCause)


@cython.final
cdef class BalanceUpdate(Event):
    """What an account holds of one asset, in absolute values (EVT-21)."""

    def __cinit__(self):
        self.s.data = &self.a
        self.s.data_size = sizeof(BalanceData)
        self.s.type = BALANCE_UPDATE

    cdef object own_fields(self):
        return ("account", "asset", "asset_scale", "total_raw", "available_raw", "held_raw", "delta_raw", "cause")

    cdef int fill_own(self, str name, object value) except -1:
        if name == "account":
            put_text(self.a.account, ACCOUNT_MAX, value)
        elif name == "asset":
            put_text(self.a.asset, ASSET_MAX, value)
        elif name == "asset_scale":
            self.a.asset_scale = value
        elif name == "total_raw":
            self.a.total_raw = value
        elif name == "available_raw":
            self.a.available_raw = value
        elif name == "held_raw":
            self.a.held_raw = value
        elif name == "delta_raw":
            self.a.delta_raw = 0 if value is None else value
            self.a.has_delta = value is not None
        elif name == "cause":
            self.a.cause = BalanceCause(value) if value is not None else 0
        else:
            Event.fill_own(self, name, value)
        return 0

    @property
    def account(self) -> str:
        """The provider whose account it is."""
        self.guard()
        return self.a.account.decode()

    @property
    def asset(self) -> str:
        """Code of the asset, as in BASE-QUOTE."""
        self.guard()
        return self.a.asset.decode()

    @property
    def asset_scale(self) -> int:
        """Decimals of the raws."""
        self.guard()
        return self.a.asset_scale

    @property
    def total_raw(self) -> int:
        """All of it: available and held."""
        self.guard()
        return self.a.total_raw

    @property
    def available_raw(self) -> int:
        """What new orders may use."""
        self.guard()
        return self.a.available_raw

    @property
    def held_raw(self) -> int:
        """What open orders hold; 0 where the venue's stream does not tell it."""
        self.guard()
        return self.a.held_raw

    @property
    def delta_raw(self):
        """How much more the total is than it was told before; None in a snapshot."""
        self.guard()
        return self.a.delta_raw if self.a.has_delta else None

    @property
    def cause(self):
        """BalanceCause: what changed it, as far as the venue says."""
        self.guard()
        return _CAUSES[self.a.cause]


register_class(BalanceUpdate, BALANCE_UPDATE)
