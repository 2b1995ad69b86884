"""Does a replay prove what it says (CLI-41)? Every fault with its file and record, and what was proven by what."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from engine.runtime.replay import ReplayResult


@dataclass(frozen=True)
class Fault:
    """One thing that does not agree, at a 0-based record (-1 = of the whole file)."""

    path: Path
    record: int
    what: str

    def __str__(self) -> str:
        where = f"record {self.record}" if self.record >= 0 else "end"
        return f"{self.path}, {where}: {self.what}"


@dataclass
class Verdict:
    """What a verification came to.

    Attributes:
        faults: in order of record; none means verified.
        healed: books that were lost and came back.
        proofs: one line a venue: how many messages were proven by what.
    """

    faults: list[Fault] = field(default_factory=list)
    healed: list[str] = field(default_factory=list)
    proofs: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing disagrees."""
        return not self.faults


def verify(result: ReplayResult) -> Verdict:
    """Look for a failed checksum, a second view that differs, a gap that never healed, a count that is off."""
    verdict = Verdict()
    for incident in result.incidents:
        text = f"{incident.provider} {incident.symbol} lost: {incident.reason}"
        if incident.reason == "checksum":
            verdict.faults.append(
                Fault(result.path, incident.record, f"checksum of {incident.provider} {incident.symbol} is wrong")
            )
        elif incident.healed_at is None:
            verdict.faults.append(
                Fault(result.path, incident.record, f"{text}; no later snapshot in the recording heals it")
            )
        if incident.healed_at is not None:
            verdict.healed.append(f"record {incident.record}: {text}; valid again by record {incident.healed_at}")
    for venue, feed in result.feeds.items():
        for record, what in feed.second_view_differences():
            verdict.faults.append(Fault(result.path, record, f"{venue} {what}"))
        verdict.proofs += feed.proofs()
    for line in result.summary.imbalances:
        verdict.faults.append(Fault(result.path, -1, f"counts do not balance: {line}"))
    verdict.faults.sort(key=lambda fault: (fault.record < 0, fault.record))
    return verdict
