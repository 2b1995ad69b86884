"""A stream that is a node's: known to those who lease, read and write (DST-06)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Holding:
    """A stream that is this node's, until the deadline, or until it is lost.

    Attributes:
        key: of the stream.
        token: of its lease.
        fence: what stands in the fences of its symbols while it is this node's.
        since_ns: from when on; monotonic.
        deadline_ns: until when nothing more needs to be known to write its reports; monotonic.
        is_active: its reports are written; before that it is being acquired.
        is_leaving: it is being handed over.
        is_lost: it is no more.
    """

    key: str
    token: int
    fence: str
    since_ns: int
    deadline_ns: int
    is_active: bool = False
    is_leaving: bool = False
    is_lost: bool = False

    def may_write(self, now_ns: int) -> bool:
        """Whether it is still this node's, as far as it can know by itself (DST-06)."""
        return not self.is_lost and now_ns < self.deadline_ns


def fence_of(token: int, owner: str) -> str:
    """What stands in the fences of a holder's symbols: ``<token>/<node_id>/<nonce>``."""
    return f"{token}/{owner}"
