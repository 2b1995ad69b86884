"""Builds one engine: the one place that knows every stage by name. Wires on construction, stops in reverse."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Self

from engine.base.clock import Clock, SystemClock
from engine.base.errors import ConfigError, EngineErrorGroup, InternalError, UnknownSymbolError
from engine.base.ids import instrument_id
from engine.bus.control import ControlBus
from engine.bus.data import DataBus
from engine.config.sections import EngineConfig
from engine.consumers.context import Context, attach_state
from engine.consumers.inline import InlineRunner
from engine.consumers.runner import Runner
from engine.consumers.settings import MailboxSettings
from engine.consumers.subscriptions import Subscription, SubscriptionDesk
from engine.consumers.switch import TradingSwitches
from engine.consumers.threaded import ThreadRunner
from engine.dispatcher.routing import RoutingBoard, stream_index
from engine.observability.dlq import DeadLetterQueue
from engine.observability.stages import StageTimer
from engine.observability.telemetry import TelemetryBus
from engine.orchestrator.merge import Orchestrator
from engine.providers.assembler import BookAssembler
from engine.providers.bookshelf import BookShelf
from engine.providers.feed import BookRules, Feed, FeedPorts
from engine.providers.registry import open_feed
from engine.runtime.audience import Audience
from engine.runtime.catalogue import Catalogue
from engine.runtime.commands import Commands
from engine.runtime.handlers import load_handler
from engine.runtime.issuing import Issuing
from engine.runtime.merging import Merging
from engine.runtime.own_events import OwnEvents
from engine.runtime.pooling import build_recycler
from engine.runtime.pressure import Pressure
from engine.runtime.purses import Purses
from engine.runtime.reporting import Reporting
from engine.runtime.staging import build_dispatcher
from engine.runtime.summary import EngineSummary, summarize
from engine.schema.command import Outcome, Reply
from engine.schema.enums import BookReason, EventType
from engine.schema.event import use_clock
from engine.schema.fold import SaturationTable
from engine.schema.instrument import Instrument

_TYPES = {event_type.class_name: event_type for event_type in EventType}
_BOOK_TYPES = (EventType.BOOK_SNAPSHOT, EventType.BOOK_UPDATE)


class Engine:
    """One pipeline: providers -> orchestrator -> dispatcher -> bus -> consumers, on one loop.

    Args:
        config: what to run; providers are opened with :meth:`open_provider`, consumers come from the file and from
            :meth:`add_consumer`.
        clock: the engine's clock; a replay passes its own, and consumers in threads then keep step with it.

    Raises:
        ConfigError: a handler that cannot be loaded.
    """

    def __init__(self, config: EngineConfig, clock: Clock | None = None) -> None:
        self.config = config
        self._in_step = clock is not None
        self.post: Callable[[Callable[[], None]], object] | None = None
        """Runs a call on the engine's loop, for threads; None while no loop runs."""
        self.clock = clock or SystemClock()
        use_clock(self.clock)
        self.telemetry = TelemetryBus(self.clock.now)
        self.dlq = DeadLetterQueue(
            self.clock.now, config.dlq.max_records, config.dlq.max_bytes, config.dlq.path, self.telemetry
        )
        self.reporting = Reporting(self.telemetry, self.dlq)
        self.recycler, self.warnings = build_recycler(config, self.reporting.pool_problem)
        self.timer = StageTimer(config.telemetry.trace_sampling)
        self.board = RoutingBoard()
        self.shelf = BookShelf(self.board)
        self.bus = DataBus(self.recycler)
        table = SaturationTable([_TYPES[name] for name in config.dispatcher.coalescable_types])
        self.dispatcher = build_dispatcher(
            config, self.recycler, self.bus, self.board, self.clock, self.timer, table, self.shelf, self.reporting
        )
        self.orchestrator = Orchestrator(
            self.dispatcher, self.board, self.timer, self.recycler, self.clock, self.reporting.tell
        )
        self.feeds: dict[str, Feed] = {}
        self.runners: dict[str, Runner] = {}
        self.names: dict[str, str] = {}
        self.audience = Audience(self.runners)
        self.dispatcher.audience = self.audience.of
        self.leaving: dict[str, Runner] = {}
        """Consumers that were cut off and have not ended yet."""
        self.departed: Counter[str] = Counter()
        """Counts of all that have left."""
        self._own = OwnEvents(self.recycler, self.clock, self.bus, self.runners, self.reporting.tell, self.orchestrator,
                              self.timer, lambda: self.post, lambda: self.desk.refresh())  # fmt: skip
        self.offer_made = self._own.offer_made
        self.purses = Purses(self.recycler, self.offer_made, self.dispatcher.deliver, self.reporting,
                              self.board.current_version, self.clock.now)  # fmt: skip
        self.catalogue = Catalogue(self._own.publish_instrument, self.clock.now)
        self.merging = Merging(self.orchestrator, self.catalogue.carriers)
        self.merging.load(config.orchestrator.merge_rules)
        accounts = {
            provider.name: instrument_id(provider.name, None)
            for provider in config.providers
            if provider.credentials.api_key_env is not None
        }
        self.desk = SubscriptionDesk(
            self.board, stream_index, self.catalogue.carriers, self.merging.rule, self.clock.now, accounts,
            on_change=self._routes_changed,
            on_keep=lambda name, instrument, on: self.runners[name].mailbox.keep_trades(instrument, on),
        )  # fmt: skip
        self.switches = TradingSwitches(self.clock.now, partial(self.reporting.tell, "trading.switch"))
        self.commands = Commands(
            desk=self.desk,
            merging=self.merging,
            catalogue=self.catalogue,
            shelf=self.shelf,
            switches=self.switches,
            recycler=self.recycler,
            dlq=self.dlq,
            runners=self.runners,
            give_book=self._give_book,
            finish=lambda command, outcome: self.control.finish(command, outcome),
            tell_result=self._own.tell_result,
            version=self.board.current_version,
        )
        self.control = ControlBus(
            self.commands.handlers(),
            self.board.current_version,
            self._own.acknowledge,
            self._own.tell_result,
            self.clock.now,
        )
        self.issuing = Issuing(
            self.control, lambda: self.post, config.bus.control_capacity, self.dispatcher.deliver, self.clock.now
        )
        self._closed = False
        self._pressure = Pressure(self.reporting, self.recycler, self.feeds, self.runners, self.clock.now)
        self._mailboxes = MailboxSettings(
            critical_reserve=config.bus.critical_reserve,
            saturate_at=config.bus.saturate_at,
            resume_at=config.bus.resume_at,
            spill_trades=config.bus.spill_trades,
            on_spill_full=self.commands.trades_missing,
            table=table,
            books=self.shelf,
            versions=self.board,
            on_coalesced=self.reporting.coalesced,
            on_dropped=self.reporting.mailbox_full,
            on_saturated=self.reporting.saturated,
            on_full=self._pressure.mailbox_full,
        )

    # -- providers --------------------------------------------------------------------------------------------

    def open_provider(self, venue: str, provider: str, rules: BookRules | None = None) -> Feed:
        """Open a provider without connecting it; its instruments are added with :meth:`carry`."""
        ports = FeedPorts(
            pool=self.recycler,
            sink=self.orchestrator,
            clock=self.clock,
            timer=self.timer,
            on_reject=self.reporting.rejected,
            on_telemetry=self.reporting.tell,
            on_widened=self.catalogue.widened,
            on_instrument=self.catalogue.add,
            on_balance=self.purses.tell,
            on_foreign_order=self.reporting.foreign_order,
        )
        feed = open_feed(venue, provider, rules or BookRules(), ports)
        feed.stream.on_exhausted = partial(self._pressure.pool_exhausted, provider)
        self.feeds[provider] = feed
        return feed

    def carry(self, feed: Feed, instrument: Instrument) -> BookAssembler:
        """Add an instrument to a provider and to the catalogue; routes that name all providers follow."""
        book = feed.add_instrument(instrument)
        self.shelf.add(book)
        self.catalogue.add(instrument)
        self.desk.refresh()
        return book

    # -- consumers --------------------------------------------------------------------------------------------

    def add_consumer(
        self,
        consumer_id: str,
        handler: object,
        *,
        name: str | None = None,
        params: Mapping[str, Any] | None = None,
        mode: str = "inline",
        capacity: int = 256,
        weight: int = 1,
        version_filter: bool = True,
        budget_ms: int = 50,
        may_trade: bool = False,
        takes_all_reports: bool = False,
    ) -> Runner:
        """Connect a consumer, at any time; it gets events once it is subscribed and :meth:`start` was called.

        Args:
            consumer_id: its id.
            handler: the strategy.
            name: what a person calls it, in the run report; none = its id.
            params: what ``ctx.params`` gives.
            mode: ``inline`` or ``thread``.
            capacity: mailbox places.
            weight: batches it gets in a round that others wait in; inline consumers alone share rounds.
            version_filter: what was routed to it before its own routes changed is skipped.
            budget_ms: a longer callback is told as slow.
            may_trade: how its trading switch stands at first.
            takes_all_reports: it gets reports of the orders of others as well.

        Raises:
            ConfigError: the name is taken, or the handler has no method to call.
        """
        if consumer_id in self.runners or consumer_id in self.leaving:
            raise ConfigError(f"consumer {consumer_id} is there already", op="consumers.add")
        is_inline = mode == "inline"
        commands = self.issuing.on_loop if is_inline else self.issuing.from_thread
        context = Context(consumer_id, commands, self.clock.now, params)
        kind, own = (InlineRunner, {}) if is_inline else (ThreadRunner, {"in_step": self._in_step})
        runner = kind(
            consumer_id,
            self.bus.places,
            handler,
            context,
            self.recycler,
            self.clock,
            self.timer,
            settings=replace(self._mailboxes, capacity=capacity, has_version_filter=version_filter),
            quantum=self.config.dispatcher.quantum_events,
            weight=weight,
            budget_ms=budget_ms,
            on_error=self.reporting.callback_failed,
            on_slow=self.reporting.callback_slow,
            **own,
        )
        attach_state(context, runner.trace_in_hand, partial(self.switches.is_enabled, consumer_id))
        index = self.bus.add(runner)
        if index != runner.index:
            raise InternalError(f"bus index {index} is not {runner.index}", op="consumers.add")
        self.desk.register(consumer_id, index)
        self.runners[consumer_id] = runner
        self.names[consumer_id] = name or consumer_id
        self.switches.add(consumer_id, enabled=may_trade)
        self.audience.add(consumer_id, takes_all=takes_all_reports)
        self.control.forget_issuer(consumer_id)
        self.reporting.names[index] = consumer_id
        return runner

    def remove_consumer(self, consumer_id: str) -> None:
        """A consumer leaves (SUB-12): what it holds comes back, its name is free. Waits for the callback in hand.

        Raises:
            UnknownSymbolError: there is no such consumer.
        """
        runner = self.cut_off(consumer_id)
        try:
            runner.stop()
        finally:
            self.forget(consumer_id)

    def cut_off(self, consumer_id: str) -> Runner:
        """A consumer is about to leave: nothing is routed to it any more, and what is queued of it is skipped.

        Raises:
            UnknownSymbolError: there is no such consumer.
        """
        if consumer_id not in self.runners:
            raise UnknownSymbolError(f"there is no consumer {consumer_id}", op="consumers.remove")
        self.merging.left(self.desk.unregister(consumer_id), self.desk)
        self.commands.venues.review()
        self.switches.remove(consumer_id)
        self.audience.remove(consumer_id)
        runner = self.leaving[consumer_id] = self.runners.pop(consumer_id)
        return runner

    def forget(self, consumer_id: str) -> None:
        """A consumer that was cut off has ended: its counts go into those of all that left.

        One that has not keeps its name and its counts until it has.
        """
        runner = self.leaving[consumer_id]
        self.bus.remove(runner.index)
        if runner.has_ended:
            del self.leaving[consumer_id], self.names[consumer_id]
            self.departed.update(runner.statistics())

    def add_configured_consumers(self, *, venues_may_come_later: bool = False) -> None:
        """Load and connect the consumers of the configuration, and subscribe them.

        Args:
            venues_may_come_later: hold a subscription whose symbol a configured provider does not carry yet.

        Raises:
            ConfigError: a handler that cannot be loaded, or a subscription nobody can serve.
        """
        awaited = frozenset(one.name for one in self.config.providers) if venues_may_come_later else frozenset()
        for consumer in self.config.consumers:
            self.add_consumer(
                consumer.consumer_id,
                load_handler(consumer),
                name=consumer.name,
                params=consumer.params,
                mode=consumer.mode,
                capacity=consumer.mailbox_capacity,
                weight=consumer.weight,
                version_filter=consumer.version_filter,
                budget_ms=consumer.callback_budget_ms,
                may_trade=consumer.trading_switch == "enabled",
                takes_all_reports=consumer.exec_reports == "all",
            )
            for wanted in consumer.subscriptions:
                self.desk.subscribe(
                    Subscription(
                        consumer_id=consumer.consumer_id,
                        symbol=wanted.symbol,
                        providers=tuple(wanted.providers),
                        event_types=tuple(wanted.event_types),
                        merged=wanted.merged,
                        never_drop_trades=wanted.never_drop_trades,
                    ),
                    awaited,
                )

    # -- life -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the consumers that have not been; providers may feed from here on."""
        for runner in list(self.runners.values()):
            if not runner.has_begun:
                runner.start()

    def close(self) -> None:
        """Stop in order: open windows are discarded, what is held back goes on, mailboxes are emptied, consumers stop.
        Idempotent.

        Raises:
            EngineErrorGroup: several consumers failed in on_stop.
        """
        if self._closed:
            return
        self._closed = True
        for feed in self.feeds.values():
            feed.close()
        self.orchestrator.discard_open()
        self.dispatcher.flush_held()
        failures: list[Exception] = []
        ends_s = time.monotonic() + self.config.engine.shutdown_wait_ms / 1e3        # shared by those that do not end
        ending = (*self.runners.values(), *self.leaving.values())
        for runner in ending:
            runner.ask_to_stop()
        for runner in ending:
            try:
                runner.stop(max(0.0, ends_s - time.monotonic()))
            except Exception as error:
                failures.append(error)
        self.reporting.tell_rest()
        self.dlq.close()
        if len(failures) == 1:
            raise failures[0]
        if failures:
            raise EngineErrorGroup("consumers failed to stop", failures)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def summary(self) -> EngineSummary:
        """Counts that balance (EVT-08), pools, latencies: everything a run report prints."""
        return summarize(
            self.orchestrator,
            self.dispatcher,
            {**self.runners, **self.leaving},
            self.departed,
            self.recycler,
            self.timer,
            self.feeds,
            self.reporting.rejected_frames,
            self.telemetry,
            self.dlq,
        )

    # -- commands ---------------------------------------------------------------------------------------------

    def command(
        self,
        kind: str,
        payload: Mapping[str, Any] | None = None,
        *,
        operator: str = "operator",
        consumer_id: str = "",
        message_id: str | None = None,
    ) -> Reply[Outcome]:
        """Give a command (CTL-30), from any thread.

        Args:
            kind: ``set_trading_mode``, ``provider_stop``, ``request_snapshot`` ..: a key of
                :data:`engine.schema.command.COMMANDS`.
            payload: what it is about.
            operator: who gives it.
            consumer_id: the consumer in whose name it is given instead; answers come as its events as well.
            message_id: the same one again within five minutes gets the first answer; None = one of its own.

        Returns:
            Its acknowledgement and what came of it, now or once they are there.
        """
        return self.issuing.of_operator(kind, payload or {}, consumer_id, operator, message_id)

    # -- routes that change -----------------------------------------------------------------------------------

    def _routes_changed(
        self, consumer_id: str, version: int, added: frozenset[int], removed: frozenset[int]
    ) -> None:
        """A consumer's routes changed: what is queued is judged anew, new books and accounts begin with a snapshot."""
        runner = self.runners[consumer_id]
        runner.mailbox.routes_changed(version, removed)
        self.reporting.tell(
            "routing.changed", version=version, consumer_id=consumer_id, added=len(added), removed=len(removed)
        )
        for instrument in sorted({stream >> 4 for stream in added if stream & 15 in _BOOK_TYPES}):
            self._give_book(runner, instrument, BookReason.INITIAL)
        for stream in sorted(stream for stream in added if stream & 15 == EventType.BALANCE_UPDATE):
            if self.purses.offer_to(runner, stream >> 4):
                self.bus.wake(runner.index)

    def _give_book(self, runner: Runner, instrument: int, reason: BookReason) -> int | None:
        """Hand a book as it is now to one consumer, whose stream goes on from there; answers its number."""
        state = self.shelf.offer_to(runner, instrument, reason)
        if state is None:
            return None
        runner.mailbox.resumed(instrument, *state)
        self.bus.wake(runner.index)
        return state[1]
