"""The event classes by type; importing this module makes all of them known."""

from engine.schema.event import Event, class_of

__all__ = ["Event", "class_of"]
