from typing import TypeVar

import numpy as np
import numpy.typing as npt

from engine.schema.event import Event

_SomeEvent = TypeVar("_SomeEvent", bound=Event)

def to_numpy(events: list[_SomeEvent]) -> npt.NDArray[np.void]:
    """One structured array of the fixed-width fields of *events*, which must be of one type.

    Raws stay integers at each event's ``price_scale`` and ``qty_scale``; levels are not part of it. The array is a
    copy and may be kept.

    Raises:
        MisuseError: no events, several types, or a type without fixed-width fields.
    """
