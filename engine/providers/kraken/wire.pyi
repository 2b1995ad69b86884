from typing_extensions import disjoint_base

@disjoint_base
class KrakenDecoder:
    def __init__(self) -> None: ...
