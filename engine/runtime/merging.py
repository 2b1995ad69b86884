"""Merge rules in force: those of the configuration, and those that consumers ask for while running (MRG-16)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from engine.base.errors import UnknownSymbolError, ValidationError
from engine.config.sections import MergeRuleConfig
from engine.consumers.subscriptions import HeldSubscription, Subscription, SubscriptionDesk
from engine.orchestrator.merge import Orchestrator
from engine.orchestrator.rules import MergeRule
from engine.schema.command import Command, Outcome
from engine.schema.enums import MERGEABLE_TYPES, EventType
from engine.schema.payloads import MergedRequest

RULES_MAX = 256
"""Rules an engine knows at most, those that were taken back included: their counts stay."""
_TYPES = {event_type.class_name: event_type for event_type in MERGEABLE_TYPES}


class Merging:
    """Keeps the orchestrator's rules and the consumers' merged subscriptions in step. Engine's loop only.

    Args:
        orchestrator: opens the windows.
        carriers: symbol -> {provider: instrument id} of what is carried now.
    """

    def __init__(self, orchestrator: Orchestrator, carriers: Callable[[str], dict[str, int]]) -> None:
        self._orchestrator = orchestrator
        self._carriers = carriers
        self._rules: dict[str, MergeRule] = {}
        self._configured: set[str] = set()
        self._numbered = 0

    def load(self, rules: Sequence[MergeRuleConfig]) -> None:
        """Put the rules of the configuration in force."""
        for row in rules:
            symbol, _, type_name = row.merge_key.partition(":")
            rule = MergeRule(
                name=row.name,
                symbol=symbol,
                event_type=_TYPES[type_name],
                providers=tuple(row.providers),
                window_duration_ms=row.window_duration_ms,
                window_max_events=row.window_max_events,
                close_on_complete=row.close_on_complete,
                partial_policy=row.partial_policy,
            )
            self._configured.add(rule.name)
            self._put_in_force(rule)

    def rule(self, name: str) -> MergeRule | None:
        """A rule by its name."""
        return self._rules.get(name)

    def obey(
        self, command: Command, desk: SubscriptionDesk, want: Callable[[str, Sequence[str]], object]
    ) -> Outcome:
        """Obey merged_subscribe or merged_unsubscribe: one rule for each event type, shared by equal content.

        Args:
            command: one of the two.
            desk: of the subscriptions.
            want: called with a symbol and providers that are to carry it.

        Returns:
            subscription_id and rule; of further event types as well, under ``others``.

        Raises:
            ValidationError: a payload of the wrong shape, or too many rules.
            UnknownSymbolError: a provider does not carry the symbol, or there is no such subscription.
        """
        request = command.read(MergedRequest)
        _check(request, command.type)
        if command.type == "merged_unsubscribe":
            unwanted = self._wanted(request, command.type)
            return _outcome([self._leave(command.consumer_id, rule, desk) for rule in unwanted])
        want(request.symbol, request.providers)
        wanted = self._wanted(request, command.type)
        new = [rule for rule in wanted if self._equal(rule) is None]
        if len(self._rules) + len(new) > RULES_MAX:
            raise ValidationError(f"there are {RULES_MAX} merge rules already", op=command.type)
        held = []
        for rule in wanted:
            shared = self._equal(rule) or self._named(rule)
            self._put_in_force(shared)
            held.append(desk.subscribe(_subscription(command.consumer_id, shared)))
        return _outcome(held)

    def left(self, held: Sequence[Subscription], desk: SubscriptionDesk) -> None:
        """A consumer that held these has left: rules that nobody takes any more end."""
        for one in held:
            if one.merged is not None:
                self._end_unused(one.merged, desk)

    def _wanted(self, request: MergedRequest, op: str) -> list[MergeRule]:
        carriers = self._carriers(request.symbol)
        for provider in request.providers:
            if provider not in carriers:
                raise UnknownSymbolError(
                    f"provider {provider} does not carry {request.symbol}", op=op, symbol=request.symbol
                )
        return [
            MergeRule(
                name="",
                symbol=request.symbol,
                event_type=_TYPES[name],
                providers=request.providers,
                **msgspec.structs.asdict(request.merge_config),
            )
            for name in dict.fromkeys(request.event_types)
        ]

    def _equal(self, wanted: MergeRule) -> MergeRule | None:
        """The rule of equal content, whatever its name and the order of its providers."""
        return next((rule for rule in self._rules.values() if _content(rule) == _content(wanted)), None)

    def _named(self, rule: MergeRule) -> MergeRule:
        while f"rule_{self._numbered + 1}" in self._rules:
            self._numbered += 1
        self._numbered += 1
        return msgspec.structs.replace(rule, name=f"rule_{self._numbered}")

    def _put_in_force(self, rule: MergeRule) -> None:
        self._orchestrator.add_rule(rule)
        self._rules[rule.name] = rule

    def _leave(self, consumer_id: str, wanted: MergeRule, desk: SubscriptionDesk) -> HeldSubscription:
        """Give a subscription up; the last one to leave ends a rule that is not of the configuration."""
        rule = self._equal(wanted)
        if rule is None:
            raise UnknownSymbolError(f"{consumer_id} holds no such merged subscription of {wanted.symbol}",
                                     op="merged_unsubscribe", symbol=wanted.symbol)  # fmt: skip
        held = desk.unsubscribe(_subscription(consumer_id, rule))
        self._end_unused(rule.name, desk)
        return held

    def _end_unused(self, name: str, desk: SubscriptionDesk) -> None:
        if name not in self._configured and not desk.takes_rule(name):
            self._orchestrator.end_rule(name)


def _check(request: MergedRequest, op: str) -> None:
    """Refuse what cannot be, whoever carries the symbol."""
    if len(set(request.providers)) < len(request.providers):
        raise ValidationError("providers names one more than once", op=op)
    for name in request.event_types:
        if name not in _TYPES:
            raise ValidationError(f"event type {name!r} is none of {', '.join(_TYPES)}", op=op)


def _outcome(held: Sequence[HeldSubscription]) -> Outcome:
    first, *others = ({"subscription_id": row.subscription_id, "rule": row.content.merged} for row in held)
    return {**first, "others": others} if others else first


def _content(rule: MergeRule) -> tuple[str, EventType, frozenset[str], int, int, bool]:
    return (
        rule.symbol,
        rule.event_type,
        frozenset(rule.providers),
        rule.window_duration_ms,
        rule.window_max_events,
        rule.close_on_complete,
    )


def _subscription(consumer_id: str, rule: MergeRule) -> Subscription:
    return Subscription(
        consumer_id=consumer_id, symbol=rule.symbol, event_types=(rule.event_type.class_name,), merged=rule.name
    )
