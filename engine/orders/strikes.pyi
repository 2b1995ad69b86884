from typing import final

@final
class Strikes:
    """Args:
    limit: strikes that are too many, from 1.
    window_ns: within how long.
    """

    count: int
    def __new__(cls, limit: int, window_ns: int) -> Strikes: ...
