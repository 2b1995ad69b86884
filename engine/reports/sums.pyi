from typing import final

@final
class TimeSums:
    def __init__(self, span_ms: int) -> None: ...
