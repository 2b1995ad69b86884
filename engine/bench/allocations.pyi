def start_counting() -> None:
    """Count every allocation of Python's three allocators from now on; again does nothing."""

def stop_counting() -> int:
    """Stop and return how many there were."""

def heap_bytes() -> int:
    """Bytes the C heap has given out and not got back; -1 where the C library does not tell."""

def build_flags() -> str:
    """Mode and compiler flags of this build."""
