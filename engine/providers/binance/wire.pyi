from typing import Any, final

@final
class BinanceDecoder:
    def __reduce__(self) -> Any: ...
