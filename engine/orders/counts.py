"""What the order path counts and measures (MET-25). Written on the engine's loop, read by whoever asks how it goes."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from engine.observability.latency import LatencyHistogram


def _histograms() -> defaultdict[str, LatencyHistogram]:
    return defaultdict(LatencyHistogram)


@dataclass(slots=True)
class OrderCounts:
    """Since the start. Each is by provider; its other label is the second part of a key.

    Attributes:
        submits: answers to submits, by status: each submit has one.
        refusals: those that sent nothing, by breach.
        reports: told to owners, by kind.
        anomalies: odd reports, by what was odd: those of ORDM-20, ``fees_cut`` and ``conflict``.
        duplicates: reports that told nothing new.
        check_ns: of risk's whole check.
        send_ns: from asking for an order to handing it to its venue's gateway, the commit of its intent in it.
        ack_ns: from asking for an order to the venue's first word of it.
    """

    submits: Counter[tuple[str, str]] = field(default_factory=Counter)
    refusals: Counter[tuple[str, str]] = field(default_factory=Counter)
    reports: Counter[tuple[str, str]] = field(default_factory=Counter)
    anomalies: Counter[tuple[str, str]] = field(default_factory=Counter)
    duplicates: Counter[str] = field(default_factory=Counter)
    check_ns: defaultdict[str, LatencyHistogram] = field(default_factory=_histograms)
    send_ns: defaultdict[str, LatencyHistogram] = field(default_factory=_histograms)
    ack_ns: defaultdict[str, LatencyHistogram] = field(default_factory=_histograms)
