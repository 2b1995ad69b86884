from libc.stdint cimport int64_t, uint64_t

from engine.base.plants cimport planted


cdef class SequenceContinuity:
    def __cinit__(self):
        self.gap_at_record = []

    cdef int judge(self, uint64_t number, int64_t record_index) except -1:
        """What to do with a message of this number: rules 2 to 4."""
        cdef uint64_t missing
        self.messages += 1
        if not self.started:
            self.started = True
            self.last = number
            if not self._first_refused:
                return VERDICT_TAKE
            self._note(record_index)
            self.messages_missing += 1
            return VERDICT_GAP
        if number <= self.last:
            self._note(record_index)
            return VERDICT_IGNORE
        missing = number - self.last - 1
        self.last = number
        if missing == 0:
            return VERDICT_TAKE
        self._note(record_index)
        self.messages_missing += missing
        return VERDICT_TAKE if planted(b"coinbase.no_gap") else VERDICT_GAP

    def _note(self, int64_t record_index) -> None:
        self.sequence_gaps += 1
        if record_index >= 0:
            self.gap_at_record.append(record_index)

    cdef void refused(self) noexcept:
        """A frame could not be decoded: after the first number the next one shows that (rule 5), before it this does.
        """
        self._first_refused = not self.started

    cdef void restart(self) noexcept:
        """The connection was made anew: its numbers begin again (rule 1); what was counted stays."""
        self.started = False
        self._first_refused = False
