from typing import final

@final
class RestingFills:
    def __init__(self, span_ms: int) -> None: ...
