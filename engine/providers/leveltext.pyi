from typing import final

@final
class LevelTexts:
    """Price and quantity texts of one message, still in the frame."""

    def __init__(self) -> None: ...

@final
class LevelRaws:
    """Levels as integers."""

    def __init__(self) -> None: ...
