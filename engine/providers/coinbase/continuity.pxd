"""Coinbase's rule for the numbers of a connection, and nothing else.

Source: docs.cdp.coinbase.com, Advanced Trade WebSocket, "Sequence numbers", and frames of the live venue: the prose
reads as if each product had its own number, the frames say each connection has one.

1. sequence_num starts at 0 on each connection and steps by 1 over all its messages, whatever their channel or
   product: snapshots, updates (empty ones too), acks and heartbeats. An error has none.
2. The first number seen on a connection is where counting begins; if a frame before it could not be decoded, that
   one is missing (rule 4).
3. A number at or below the last is out of order or a repetition: the message is ignored wholly.
4. A number above last + 1 means that messages were lost, and nothing says whose: every book that this connection
   feeds is void until its next snapshot. The message itself is good.
5. A frame that could not be decoded leaves its number unread; by rule 4 the next one shows the loss.
"""
from libc.stdint cimport int64_t, uint64_t


cdef enum Verdict:
    VERDICT_TAKE = 0
    VERDICT_IGNORE = 1
    VERDICT_GAP = 2              # take it, but first give up every book of the connection


cdef class SequenceContinuity:
    """The numbers of one connection. Owned by its stream, used on its thread only."""
    cdef readonly bint started
    cdef readonly uint64_t messages          # numbers read
    cdef bint _first_refused                 # the frame that should have begun the counting could not be decoded
    cdef readonly uint64_t last              # meaningless before the first number
    # -- counts since start
    cdef readonly uint64_t sequence_gaps     # numbers that were not last + 1, lower ones too
    cdef readonly uint64_t messages_missing  # numbers stepped over
    cdef readonly list gap_at_record         # replay: the records of the gaps

    cdef int judge(self, uint64_t number, int64_t record_index) except -1
    cdef void refused(self) noexcept
    cdef void restart(self) noexcept
