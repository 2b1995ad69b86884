from typing_extensions import disjoint_base

@disjoint_base
class Handler:
    def __init__(self) -> None: ...
