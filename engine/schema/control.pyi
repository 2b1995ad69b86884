from typing import final

from engine.schema.enums import InstrumentChange
from engine.schema.event import Event
from engine.schema.instrument import Instrument

def keep_record(record: Instrument) -> int:
    """Give an instrument record a place that an InstrumentUpdate can carry."""
@final
class ControlAck(Event):
    """The answer to one command: exactly one per message_id, never dropped (EVT-17)."""

    @property
    def message_id(self) -> str:
        """Id of the command it answers."""
    @property
    def consumer_id(self) -> str:
        """Who gave the command."""
    @property
    def command_type(self) -> str:
        """Kind of the command: ``subscribe``, ``set_trading_mode``."""
    @property
    def success(self) -> bool:
        """Whether it was obeyed."""
    @property
    def error(self) -> dict[str, str] | None:
        """``{"code", "message"}`` if and only if it was not."""

@final
class ControlResult(Event):
    """What a command came to: exactly one after the acknowledgement of one that has an outcome, never dropped (EVT-18)."""

    @property
    def message_id(self) -> str:
        """Id of the command."""
    @property
    def consumer_id(self) -> str:
        """Who gave the command."""
    @property
    def command_type(self) -> str:
        """Kind of the command."""
    @property
    def result(self) -> dict[str, object]:
        """A JSON object, by kind of command; a new one at each reading."""

@final
class InstrumentUpdate(Event):
    """A new version of an instrument's record (EVT-20)."""

    @property
    def instrument(self) -> Instrument | None:
        """The record as it is now."""
    @property
    def change(self) -> InstrumentChange | None:
        """InstrumentChange: what happened."""
    @property
    def changed_fields(self) -> tuple[str, ...]:
        """Fields of the record that changed, in its order."""
