"""The short way in: one call that plays a recording to a strategy."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from engine.config.load import load_config
from engine.consumers.subscriptions import Subscription
from engine.runtime.replay import Replay, ReplayOptions, ReplayResult


def replay(
    path: str | os.PathLike[str],
    *strategies: object,
    symbols: Sequence[str] = (),
    event_types: Sequence[str] = ("BookUpdate", "Trade"),
    providers: Sequence[str] = (),
    speed: float | None = None,
    config: str | os.PathLike[str] | None = None,
    facts: bool = False,
) -> ReplayResult:
    """Play a capture through the whole engine to *strategies*, on the recorded clock.

    Args:
        path: a capture: JSON lines, gzip'd or plain.
        strategies: objects with ``on_batch(events, ctx)``, ``on_event(event, ctx)``, ``on_<event_type>(event, ctx)``
            or the coroutine ``run(ctx)``.
        symbols: public symbols (``BTC-USDT``) to subscribe; none = all in the capture.
        event_types: spelled as their classes. BookUpdate brings the snapshots it builds on.
        providers: names of providers; none = all that carry a symbol.
        speed: a factor of recorded time; None = as fast as it goes.
        config: a configuration file, for ordering, pools and book rules; None = defaults.
        facts: also collect the capture facts.

    Raises:
        ValidationError: no capture, or a feed that is not supported.
        UnknownSymbolError: the capture does not carry a symbol.
        ConfigError: faults in the configuration, or a strategy without a method to call.
    """
    run = Replay(Path(path), load_config(None if config is None else Path(config), ()),
                 ReplayOptions(speed=speed, with_facts=facts))  # fmt: skip
    wanted = tuple(symbols) or tuple(dict.fromkeys(instrument.symbol for instrument in run.engine.catalogue))
    run.engine.add_configured_consumers()
    for number, strategy in enumerate(strategies):
        consumer_id = f"strategy-{number}"
        run.engine.add_consumer(consumer_id, strategy)
        for symbol in wanted:
            run.engine.desk.subscribe(
                Subscription(
                    consumer_id=consumer_id,
                    symbol=symbol,
                    providers=tuple(providers),
                    event_types=tuple(event_types),
                )
            )
    return run.run()
