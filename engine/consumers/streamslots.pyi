from typing import final

@final
class StreamSlots:
    """Owned by one mailbox. DANGER: a slot's address is good until of() is called again."""

    count: int
    def __init__(self) -> None: ...
