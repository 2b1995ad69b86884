from typing import final

@final
class BinanceDecoder:
    """Frames of market streams (raw or combined), control replies, and the body of GET /api/v3/depth."""

    def __init__(self) -> None: ...
