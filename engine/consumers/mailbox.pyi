from typing import final

@final
class Mailbox:
    """Args:
    capacity: market-data entries, at least 16.
    critical_reserve: places for critical entries beside them; past it the ring grows, counted.
    """

    capacity: int
    critical_reserve: int
    offered: int
    refused: int
    peak: int
    critical_overflow: int
    def __init__(self, capacity: int = 256, critical_reserve: int = 64) -> None: ...
    def __len__(self) -> int: ...
