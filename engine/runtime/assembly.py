"""Builds one engine: the one place that knows every stage by name. Wires on construction, stops in reverse."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Self

from engine.base.clock import Clock, SystemClock
from engine.base.errors import ConfigError, EngineErrorGroup, InternalError
from engine.base.ids import instrument_id
from engine.base.workers import Answer
from engine.bus.control import ControlBus
from engine.bus.data import DataBus
from engine.config.sections import EngineConfig
from engine.consumers.context import Context
from engine.consumers.inline import InlineRunner
from engine.consumers.runner import Runner
from engine.consumers.settings import MailboxSettings
from engine.consumers.subscriptions import Subscription, SubscriptionDesk
from engine.consumers.threaded import ThreadRunner
from engine.dispatcher.dispatcher import Dispatcher
from engine.dispatcher.routing import RoutingBoard, stream_index
from engine.observability.dlq import DeadLetterQueue
from engine.observability.stages import StageTimer
from engine.observability.telemetry import TelemetryBus
from engine.orchestrator.merge import Orchestrator
from engine.pools.frames import FramePools
from engine.pools.lease import Lease
from engine.pools.recycler import Recycler
from engine.pools.sizes import FLOORS, FRAME_FLOORS, RESERVES, capacities, frame_warnings
from engine.providers.assembler import BookAssembler
from engine.providers.balances import Balance
from engine.providers.bookshelf import BookShelf
from engine.providers.feed import BookRules, Feed, FeedPorts
from engine.providers.registry import open_feed
from engine.runtime.catalogue import Catalogue
from engine.runtime.handlers import load_handler
from engine.runtime.merging import Merging
from engine.runtime.pressure import Pressure
from engine.runtime.reporting import Reporting
from engine.runtime.summary import EngineSummary, summarize
from engine.schema.command import Ack, Command, Reply
from engine.schema.enums import BookReason, EventType, InstrumentChange
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
        self.warnings: list[str] = []
        self.recycler = self._build_recycler()
        self.timer = StageTimer(config.telemetry.trace_sampling)
        self.board = RoutingBoard()
        self.shelf = BookShelf(self.board)
        self.bus = DataBus(self.recycler)
        ordering, dedupe = config.dispatcher.stream_ordering, config.dispatcher.dedupe
        limits = config.dispatcher.backpressure
        table = SaturationTable([_TYPES[name] for name in config.dispatcher.coalescable_types])
        self.dispatcher = Dispatcher(
            self.recycler,
            self.bus,
            self.board,
            self.clock,
            self.timer,
            tolerance_ms=ordering.lateness_tolerance_ms,
            overrun_ms=ordering.flush_overrun_ms,
            buffer_max=ordering.max_buffer_size,
            horizon_ids=dedupe.horizon_ids,
            horizon_s=dedupe.horizon_s,
            on_telemetry=self.reporting.tell,
            rate_per_s=0 if limits.token_rate_per_stream == "unlimited" else limits.token_rate_per_stream,
            burst=limits.token_burst,
            table=table,
            books=self.shelf,
            on_limited=self.reporting.rate_limited,
            on_late=self.reporting.late,
        )
        self.orchestrator = Orchestrator(
            self.dispatcher, self.board, self.timer, self.recycler, self.clock, self.reporting.tell
        )
        self.catalogue = Catalogue(self._publish_instrument, self.clock.now)
        self.merging = Merging(self.orchestrator, self.catalogue.carriers)
        self.merging.load(config.orchestrator.merge_rules)
        accounts = {
            provider.name: instrument_id(provider.name, None)
            for provider in config.providers
            if provider.credentials.api_key_env is not None
        }
        self.desk = SubscriptionDesk(
            self.board, stream_index, self.catalogue.carriers, self.merging.rule, accounts, self._routes_changed
        )
        self.control = ControlBus(
            {
                "subscribe": self.desk.obey,
                "unsubscribe": self.desk.obey,
                "merged_subscribe": self._obey_merged,
                "merged_unsubscribe": self._obey_merged,
            },
            self.board.current_version,
            self._deliver_ack,
            self.clock.now,
        )
        self.feeds: dict[str, Feed] = {}
        self.runners: dict[str, Runner] = {}
        self.names: dict[str, str] = {}
        self._closed = False
        self._pressure = Pressure(self.reporting, self.recycler, self.feeds, self.runners, self.clock.now)
        self._mailboxes = MailboxSettings(
            critical_reserve=config.bus.critical_reserve,
            saturate_at=config.bus.saturate_at,
            resume_at=config.bus.resume_at,
            table=table,
            books=self.shelf,
            versions=self.board,
            on_coalesced=self.reporting.coalesced,
            on_dropped=self.reporting.mailbox_full,
            on_saturated=self.reporting.saturated,
            on_full=self._pressure.mailbox_full,
        )

    def _build_recycler(self) -> Recycler:
        config = self.config
        explicit = {
            event_type: size
            for event_type in FLOORS[config.profile]
            if isinstance(size := getattr(config.pools, event_type.name.lower()).capacity, int)
        }
        held = sum(consumer.mailbox_capacity for consumer in config.consumers)
        held += config.dispatcher.stream_ordering.max_buffer_size
        held += sum(len(rule.providers) for rule in config.orchestrator.merge_rules)
        sizes, self.warnings = capacities(config.profile, held, explicit)
        floors = FRAME_FLOORS[config.profile]
        sized = config.pools.capacities()
        set_frames = {name: size for name in floors if (size := sized[name]) is not None}
        waiting = sum(len(provider.symbols) * provider.book.diff_buffer_max for provider in config.providers)
        self.warnings += frame_warnings(set_frames, waiting)
        return Recycler(
            sizes,
            dict(RESERVES),
            debug=config.debug.recycler,
            on_problem=self.reporting.pool_problem,
            blocks_scale=8 if config.profile == "throughput" else 1,
            frames=FramePools(floors, set_frames, debug=config.debug.recycler),
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
            on_balance=self._publish_balance,
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
    ) -> Runner:
        """Connect a consumer; it gets events once it is subscribed and :meth:`start` was called.

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

        Raises:
            ConfigError: the name is taken, or the handler has no method to call.
        """
        if consumer_id in self.runners:
            raise ConfigError(f"consumer {consumer_id} is there already", op="consumers.add")
        is_inline = mode == "inline"
        commands = self._obey if is_inline else self._obey_from_thread
        context = Context(consumer_id, commands, self.clock.now, params)
        kind, own = (InlineRunner, {}) if is_inline else (ThreadRunner, {"in_step": self._in_step})
        runner = kind(
            consumer_id,
            len(self.runners),
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
        index = self.bus.add(runner)
        if index != runner.index:
            raise InternalError(f"bus index {index} is not {runner.index}", op="consumers.add")
        self.desk.register(consumer_id, index)
        self.runners[consumer_id] = runner
        self.names[consumer_id] = name or consumer_id
        self.reporting.names[index] = consumer_id
        return runner

    def add_configured_consumers(self, *, venues_may_come_later: bool = False) -> None:
        """Load and connect the consumers of the configuration, and subscribe them.

        Args:
            venues_may_come_later: hold a subscription whose symbol no provider carries yet.

        Raises:
            ConfigError: a handler that cannot be loaded, or a subscription nobody can serve.
        """
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
            )
            for wanted in consumer.subscriptions:
                self.desk.subscribe(
                    Subscription(
                        consumer_id=consumer.consumer_id,
                        symbol=wanted.symbol,
                        providers=tuple(wanted.providers),
                        event_types=tuple(wanted.event_types),
                        merged=wanted.merged,
                    ),
                    is_awaited=venues_may_come_later,
                )

    # -- life -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the consumers; providers may feed from here on."""
        for runner in self.runners.values():
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
        for runner in self.runners.values():
            runner.ask_to_stop()
        for runner in self.runners.values():
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
            self.runners,
            self.recycler,
            self.timer,
            self.feeds,
            self.reporting.rejected_frames,
            self.telemetry,
            self.dlq,
        )

    # -- commands ---------------------------------------------------------------------------------------------

    def _obey(self, command: Command) -> Reply:
        ack = self.control.handle(command)
        return Reply(command.type, lambda timeout_s: ack)

    def _obey_from_thread(self, command: Command) -> Reply:
        """Obey on the engine's loop; without one its thread is waiting for the caller's."""
        if self.post is None:
            return self._obey(command)
        answer: Answer[Ack] = Answer()
        self.post(lambda: answer.give(self.control.handle(command)))
        return Reply(command.type, answer.get)

    def _obey_merged(self, command: Command) -> None:
        self.merging.obey(command, self.desk)

    # -- events the engine makes itself -----------------------------------------------------------------------

    def _deliver_ack(self, ack: Ack) -> None:
        lease = self.recycler.acquire_lease(EventType.CONTROL_ACK)
        if lease is None:
            raise InternalError("no slot for an acknowledgement", op="control.ack")
        for name in ("message_id", "consumer_id", "command_type", "success", "error", "routing_version"):
            lease.fill(name, getattr(ack, name))
        now_ns = self.clock.now()
        lease.fill("ts_recv_ns", now_ns)
        lease.fill("ts_emit_ns", now_ns)
        lease.publish()
        lease.offer_to(self.runners[ack.consumer_id])
        self.bus.wake(self.runners[ack.consumer_id].index)

    def _publish_instrument(self, record: Instrument, change: InstrumentChange, changed: tuple[str, ...]) -> None:
        if change is InstrumentChange.ADDED:
            self.desk.refresh()            # who waits for the symbol is told of it
        lease = self.recycler.acquire_lease(EventType.INSTRUMENT_UPDATE)
        if lease is None:
            self.reporting.tell("pool.exhausted", pool="InstrumentUpdate", in_use=0, capacity=0, waited_ms=0)
            return
        now_ns = self.clock.now()
        lease.fill("instrument_id", instrument_id(record.provider, record.symbol))
        lease.fill("instrument", record)
        lease.fill("change", change)
        lease.fill("changed_fields", changed)
        lease.fill("seq_provider", record.version)
        lease.fill("seq_first", record.version)
        lease.fill("epoch", 1)
        lease.fill("price_scale", record.price_scale)
        lease.fill("qty_scale", record.qty_scale)
        lease.fill("ts_recv_ns", now_ns)
        lease.fill("ts_emit_ns", now_ns)
        lease.publish()
        self._offer_made(lease)

    def _publish_balance(self, balance: Balance) -> None:
        lease = self.recycler.acquire_lease(EventType.BALANCE_UPDATE)
        if lease is None:
            # What is queued is delivered first; a balance that still finds no slot is told again with its next change.
            self.dispatcher.deliver()
            lease = self.recycler.acquire_lease(EventType.BALANCE_UPDATE)
        if lease is None:
            self.reporting.tell("pool.exhausted", pool="BalanceUpdate", in_use=0, capacity=0, waited_ms=0)
            return
        lease.fill("instrument_id", instrument_id(balance.account, None))
        for name in ("account", "asset", "total_raw", "available_raw", "held_raw", "delta_raw", "cause", "epoch",
                     "ts_venue_ns", "ts_recv_ns"):  # fmt: skip
            lease.fill(name, getattr(balance, name))
        lease.fill("asset_scale", balance.scale)
        lease.fill("seq_provider", balance.number)
        lease.fill("seq_first", balance.number)
        lease.fill("folded_count", 1)
        lease.fill("ts_emit_ns", self.clock.now())
        lease.publish()
        self._offer_made(lease)

    def _offer_made(self, lease: Lease) -> None:
        """Let an event go that no read brings: nobody may read for long, so it is delivered by itself."""
        self.timer.begin_made()
        lease.offer_to(self.orchestrator)
        if self.post is not None:
            self.post(self.orchestrator.deliver)

    def _routes_changed(
        self, consumer_id: str, version: int, added: frozenset[int], removed: frozenset[int]
    ) -> None:
        """A consumer's routes changed: what is queued for it is judged anew, new books begin with a snapshot."""
        runner = self.runners[consumer_id]
        runner.mailbox.routes_changed(version, removed)
        self.reporting.tell(
            "routing.changed", version=version, consumer_id=consumer_id, added=len(added), removed=len(removed)
        )
        for instrument in sorted({stream >> 4 for stream in added if stream & 15 in _BOOK_TYPES}):
            state = self.shelf.offer_to(runner, instrument, BookReason.INITIAL)
            if state is not None:
                runner.mailbox.resumed(instrument, *state)
                self.bus.wake(runner.index)
