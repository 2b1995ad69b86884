from typing_extensions import disjoint_base

@disjoint_base
class CoinbaseDecoder:
    def __init__(self) -> None: ...
