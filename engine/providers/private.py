"""A provider's private half, put together: its key, its account, its calls, and the way to its orders."""

from __future__ import annotations

import ssl
from collections.abc import Callable

from engine.base.errors import AuthError, ConfigError
from engine.config.sections_providers import ProviderConfig
from engine.providers.account import Account, AccountWays
from engine.providers.budget import RestBudget
from engine.providers.credentials import read_credentials
from engine.providers.feed import Feed
from engine.providers.gate import VenueGate
from engine.providers.ordergateway import GatewayWays
from engine.providers.rest import RestClient
from engine.schema.gateway import ReportSink


def private_rest(
    feed: Feed, settings: ProviderConfig, gate: VenueGate, tls: ssl.SSLContext, tell: Callable[..., None]
) -> RestClient:
    """Connections of their own for private calls: what snapshots do holds no order up."""
    limits = feed.private_limits
    return RestClient(
        feed.provider,
        timeout_s=settings.rest.timeout_ms / 1e3,
        max_connections=settings.rest.max_connections,
        budget=gate.budget if limits is None else RestBudget(limits, settings.rest.limit_share),
        tls=tls,
        tell=tell,
    )


def open_account(
    feed: Feed, settings: ProviderConfig, ways: AccountWays, gate: VenueGate, reports: ReportSink | None
) -> Account | None:
    """The account of a provider's key, not started; None where it has no key.

    Args:
        feed: of the provider.
        settings: its key, its endpoints, and whether orders are enabled.
        ways: of the session.
        gate: the way to the venue.
        reports: told of orders, where they are enabled; None = they are none of this engine's.

    Raises:
        ConfigError: one half of the key is missing, or orders are enabled without one.
    """
    credentials = read_credentials(feed.provider, settings.credentials)
    if credentials is None:
        if settings.orders.enabled:
            raise ConfigError(f"providers[{feed.provider}].orders.enabled needs credentials", op="account.open")
        return None
    account = Account(feed, ways)

    def venue_now_ns() -> int:
        return ways.venue_now_ns(ways.clock.now())

    try:
        half = feed.private_half(credentials, settings.ws_private_endpoint, settings.rest_endpoint, venue_now_ns)
    except AuthError as error:
        account.refuse(error)
        return account
    account.new_stream = half.new_stream
    if settings.orders.enabled and reports is not None:
        account.gateway = half.new_gateway(
            GatewayWays(
                provider=feed.provider,
                link=account.open_link,
                rest=ways.rest,
                budget=gate.budget,
                clock=ways.clock,
                scope=ways.scope,
                sink=reports,
                venue_now_ns=venue_now_ns,
                glance_at_clock=ways.glance_at_clock,
                instruments=ways.instruments,
                share=settings.rest.limit_share,
                tell=ways.tell,
                dead_man_s=settings.orders.dead_man_s,
            )
        )
    return account
