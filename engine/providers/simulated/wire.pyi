from typing_extensions import disjoint_base

@disjoint_base
class SimulatedDecoder:
    def __init__(self) -> None: ...
