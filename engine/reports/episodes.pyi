from typing import final

@final
class Episodes:
    def __init__(self, window_ms: int, age_max_ms: int) -> None: ...
