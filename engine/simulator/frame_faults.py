"""The faults of a connection: frames that are lost, doubled, swapped or cut, sockets that fall silent or end."""

from __future__ import annotations

from collections.abc import Callable

from engine.simulator.fault_rules import FaultRule, Point
from engine.simulator.faults import ArmedRule, FaultPlan
from engine.simulator.sessions import Session
from engine.simulator.timeline import Timeline

Deliver = Callable[[Session, str, bytes], None]
_ABNORMAL = 1006


class FrameFaults:
    """Market data on its way to a session.

    Args:
        plan: of the venue.
        timeline: of the venue.
        deliver: sends a frame and counts it.
        one_order: whether the venue numbers all frames of a connection, so that any two next to each other swap;
            else two of the same stream and symbol do.
    """

    def __init__(self, plan: FaultPlan, timeline: Timeline, deliver: Deliver, one_order: bool) -> None:
        self._plan = plan
        self._timeline = timeline
        self._deliver = deliver
        self._one_order = one_order

    def pass_on(self, session: Session, kind: str, frame: bytes, stream: str, symbol: str) -> None:
        """Send *frame*, or do to it what a rule says."""

        def fits(rule: FaultRule) -> bool:
            return rule.stream in (stream, "any")

        key = ("", "") if self._one_order else (stream, symbol)
        before = session.held.pop(key, None)
        if before is not None:
            # Nothing else strikes a frame that a swap has already moved.
            self._deliver(session, kind, frame)
            self._deliver(session, *before)
            return
        now_us = self._timeline.now_us
        # What is not sent anyway is no chance for a fault.
        armed = None if session.is_muted or not session.is_open else self._plan.draw(Point.FRAME, now_us, symbol, fits)
        if armed is None:
            self._deliver(session, kind, frame)
            return
        self._plan.strike(armed, now_us, symbol, session.number, stream=stream, kind=kind)
        self._strike(armed, session, kind, frame, key)

    def release(self, session: Session) -> None:
        """Send what waits for a next frame, which will not come for now."""
        held, session.held = session.held, {}
        for kind, frame in held.values():
            self._deliver(session, kind, frame)

    def _strike(
        self, armed: ArmedRule, session: Session, kind: str, frame: bytes, key: tuple[str, str]
    ) -> None:
        rule = armed.rule
        match rule.fault:
            case "duplicate":
                self._deliver(session, kind, frame)
                self._deliver(session, kind, frame)
            case "swap":
                session.held[key] = (kind, frame)
            case "half_frame":
                self._deliver(session, kind, frame[: len(frame) // 2])
            case "torn_frame":
                session.is_open = False
                session.wire.send_torn(frame)
            case "silence":
                self._mute(session, round(rule.for_s * 1e6))
            case "disconnect":
                session.close(rule.code, "" if rule.code == _ABNORMAL else "going down")

    def _mute(self, session: Session, for_us: int) -> None:
        session.is_muted = True
        if for_us:

            def unmute() -> None:
                session.is_muted = False

            self._timeline.after(for_us, unmute)

