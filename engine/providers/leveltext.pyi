from typing import Any, final

@final
class LevelTexts:
    def __reduce__(self) -> Any: ...

@final
class LevelRaws:
    def __reduce__(self) -> Any: ...
