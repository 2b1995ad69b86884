"""The event classes by type; importing this module makes all of them known."""

import engine.schema.control
import engine.schema.market
from engine.schema.event import Event, class_of

__all__ = ["Event", "class_of"]
