from typing_extensions import disjoint_base

from engine.schema.ports import EventPool

@disjoint_base
class PoolLoad:
    """Events taken from a pool and given back.

    Args:
        pool: has a pool of book updates.
    """

    def __init__(self, pool: EventPool) -> None: ...
    def run(self, pairs: int, out: int = 1) -> int:
        """*pairs* gets and puts, *out* (1..64) events out at a time; returns wall ns.

        Raises:
            ValueError: *out* is out of range.
            RuntimeError: the pool ran dry.
        """

    @staticmethod
    def run_slab(pairs: int, out: int = 1) -> int:
        """The same of a bare C slab; returns wall ns.

        Raises:
            ValueError: *out* is out of range.
        """
