from typing import final

@final
class DayTrades:
    def __init__(self) -> None: ...
