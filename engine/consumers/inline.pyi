from typing import Any, final

from engine.consumers.runner import Runner

@final
class InlineRunner(Runner):
    """An inline consumer (CON-08..12); arguments as for :class:`~engine.consumers.runner.Runner`."""

    def __init__(self, *args: Any, **settings: Any) -> None: ...
