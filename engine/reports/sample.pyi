from typing import final

@final
class Sample:
    def __init__(self) -> None: ...
