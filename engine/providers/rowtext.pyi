from typing_extensions import disjoint_base

@disjoint_base
class RowTexts:
    def __init__(self) -> None: ...
