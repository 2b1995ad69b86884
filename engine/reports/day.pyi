from typing import final

@final
class DayTrades:
    def __init__(self, *args: object, **kwargs: object) -> None: ...
