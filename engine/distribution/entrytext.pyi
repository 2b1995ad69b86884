from typing import final

from engine.schema.busentry import HeldEntry

def names_text(venue: str, symbol: str) -> bytes: ...
def encode(entry: HeldEntry) -> bytes: ...

@final
class EntryWriter:
    def __init__(self) -> None: ...
