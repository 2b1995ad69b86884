"""Rules between sections, checked on the values as read, so that they are told with all other faults."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from engine.config.document import Document
from engine.config.faults import Fault, PathKey, is_secret_key, shown_value
from engine.config.venues import BOOK_DEPTHS, KLINE_INTERVALS, VENUES_WITHOUT_ACCOUNTS

Rule = Callable[[Document], Iterator[Fault]]
_RETENTION_S, _RETENTION_MARGIN_S = 2700, 600
"""Of the streams, where a file says nothing; and what they hold beyond the longest window."""

_LEASE_MS = {"ttl": 1000, "renew": 333, "margin": 100}
_CLAIM_IDLE_MS = 5000
"""Where a file says nothing."""



def cross_faults(document: Document, env: Mapping[str, str] | None) -> list[Fault]:
    """Every breach of a rule between sections; values of a wrong type are left to the sections themselves.

    *env* None: whether variables are set does not matter.
    """
    found = [fault for rule in _RULES for fault in rule(document)]
    return found if env is None else found + list(_unset_variables(document, env))


def _items(document: Document, *path: str | int) -> Iterator[tuple[PathKey, dict[str, Any]]]:
    """(path, mapping) of each item of the list at *path* that is a mapping."""
    items = document.at(path)
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict):
            yield (*path, index), item


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _repeated(document: Document, section: str, key: str, *below: str) -> Iterator[Fault]:
    seen: dict[str, PathKey] = {}
    for path, item in _items(document, *below, section):
        name = item.get(key)
        if not isinstance(name, str):
            continue
        if name in seen:
            yield document.fault((*path, key), f"must be unique among {section}", shown_value((key,), name))
        seen.setdefault(name, path)


def _unique_names(document: Document) -> Iterator[Fault]:
    yield from _repeated(document, "providers", "name")
    yield from _repeated(document, "consumers", "consumer_id")
    yield from _repeated(document, "merge_rules", "name", "orchestrator")


def _venue_offers(document: Document) -> Iterator[Fault]:
    """Book depths and kline intervals are those the venue has."""
    for path, provider in _items(document, "providers"):
        venue = provider.get("venue")
        if not isinstance(venue, str):
            continue
        book = provider.get("book")
        depth = book.get("depth_levels") if isinstance(book, dict) else None
        depths = BOOK_DEPTHS.get(venue)
        if depths is not None and type(depth) is int and depth not in depths:
            listed = ", ".join(map(str, depths))
            yield document.fault((*path, "book", "depth_levels"), f"{venue} offers {listed}", str(depth))
        yield from _kline_intervals(document, path, provider, venue)


def _kline_intervals(
    document: Document, path: PathKey, provider: dict[str, Any], venue: str
) -> Iterator[Fault]:
    if "kline" not in _texts(provider.get("streams")) or venue not in KLINE_INTERVALS:
        return
    offered = KLINE_INTERVALS[venue]
    # Where none is written the default stands, which not every venue has.
    for interval in _texts(provider.get("kline_intervals", ["1m"])):
        if interval not in offered:
            yield document.fault(
                (*path, "kline_intervals"), f"{venue} offers {', '.join(offered)}", f'"{interval}"'
            )


def _handlers(document: Document) -> Iterator[Fault]:
    """A handler is named where the engine runs it, and only there."""
    for path, consumer in _items(document, "consumers"):
        mode = consumer.get("mode", "thread")
        handler = consumer.get("handler")
        if mode in ("inline", "thread") and handler is None:
            yield document.fault((*path, "handler"), f"required with mode {mode}: module:class")
        if mode in ("process", "websocket") and handler is not None:
            yield document.fault(
                (*path, "handler"), f"must be null with mode {mode}", shown_value((), handler)
            )


def _carried(document: Document) -> dict[str, list[str]]:
    """Symbols by provider."""
    return {
        provider["name"]: _texts(provider.get("symbols"))
        for _, provider in _items(document, "providers")
        if isinstance(provider.get("name"), str)
    }


def _merge_rules(document: Document) -> Iterator[Fault]:
    """A merge rule names providers there are, which carry its symbol; a merged subscription is of its rule's key."""
    carried = _carried(document)
    keys: dict[str, str] = {}
    for path, rule in _items(document, "orchestrator", "merge_rules"):
        key = rule.get("merge_key")
        symbol = key.partition(":")[0] if isinstance(key, str) else None
        if isinstance(rule.get("name"), str) and isinstance(key, str):
            keys.setdefault(rule["name"], key)
        for name in _texts(rule.get("providers")):
            if name not in carried:
                yield document.fault((*path, "providers"), "names no provider of this file", f'"{name}"')
            elif symbol is not None and symbol not in carried[name]:
                yield document.fault((*path, "providers"), f"{name} does not carry {symbol}", f'"{name}"')
    for consumer_path, _ in _items(document, "consumers"):
        for path, subscription in _items(document, *consumer_path, "subscriptions"):
            rule_name = subscription.get("merged")
            if not isinstance(rule_name, str):
                continue
            if rule_name not in keys:
                yield document.fault((*path, "merged"), "names no merge rule of this file", f'"{rule_name}"')
            elif [f"{subscription.get('symbol')}:{name}" for name in _texts(subscription.get("event_types"))] != [
                keys[rule_name]
            ]:
                yield document.fault(
                    (*path, "merged"), f"is of {keys[rule_name]} alone: that symbol, that event type", f'"{rule_name}"'
                )


def _subscriptions(document: Document) -> Iterator[Fault]:
    """A subscription names providers there are, and a symbol one of them carries."""
    carried = _carried(document)
    keyed = {
        provider.get("name")
        for _, provider in _items(document, "providers")
        if isinstance(provider.get("credentials"), dict) and provider["credentials"].get("api_key_env")
    }
    for consumer_path, _ in _items(document, "consumers"):
        for path, subscription in _items(document, *consumer_path, "subscriptions"):
            named = _texts(subscription.get("providers"))
            for name in named:
                if name not in carried:
                    yield document.fault((*path, "providers"), "names no provider of this file", f'"{name}"')
            asked = [name for name in named if name in carried] or list(carried)
            if "BalanceUpdate" in _texts(subscription.get("event_types")) and keyed.isdisjoint(asked):
                yield document.fault(
                    (*path, "event_types"), "no provider it asks has credentials to tell balances", '"BalanceUpdate"'
                )
            kept = subscription.get("never_drop_trades") is True
            if kept and (subscription.get("merged") or "Trade" not in _texts(subscription.get("event_types"))):
                yield document.fault(
                    (*path, "never_drop_trades"), "is for Trade of a provider's own, among the event_types", "true"
                )
            symbol = subscription.get("symbol")
            if isinstance(symbol, str) and not any(symbol in carried[name] for name in asked):
                yield document.fault(
                    (*path, "symbol"), "no provider it asks carries this symbol", f'"{symbol}"'
                )


def _report_symbols(document: Document) -> Iterator[Fault]:
    """Reports are of what a venue of this file carries."""
    listed = {
        f"{provider.get('venue')}:{symbol}"
        for _, provider in _items(document, "providers")
        for symbol in _texts(provider.get("symbols"))
    }
    for name in _texts(document.at(("reports", "symbols"))):
        if name not in listed:
            yield document.fault(("reports", "symbols"), "no provider of this file carries it", f'"{name}"')


def _bus_retention(document: Document) -> Iterator[Fault]:
    """A stream holds what the longest window looks back over, and what it takes to notice that one must (BUS-29)."""
    path = ("bus", "retention_s")
    given = document.at(path)
    if given is None and document.at(("bus", "backend")) == "redis":
        given = _RETENTION_S
    windows = document.at(("reports", "windows"))
    spans = [value for value in windows.values() if type(value) is int] if isinstance(windows, dict) else []
    least_s = max(spans, default=0) + _RETENTION_MARGIN_S
    if type(given) is int and given < least_s:
        yield document.fault(path, f"must be at least {least_s}, the longest window and 600 s", str(given))


def _lease_times(document: Document) -> Iterator[Fault]:
    """A lease is renewed before its holder gives it up, and an idle reader is waited for twice as long (BUS-25)."""
    path = ("bus", "coordination")
    if document.at((*path, "enabled")) is not True:
        return
    given = {name: document.at((*path, f"lease_{name}_ms")) for name in _LEASE_MS}
    ttl, renew, margin = (
        value if type(value) is int else _LEASE_MS[name] for name, value in given.items()
    )
    if renew + margin >= ttl:
        why = f"lease_renew_ms + lease_margin_ms must be less than lease_ttl_ms, {ttl}"
        yield document.fault((*path, "lease_renew_ms"), why, str(renew))
    idle = document.at(("bus", "claim_idle_ms"))
    idle_ms = idle if type(idle) is int else _CLAIM_IDLE_MS
    if idle_ms < 2 * ttl:
        yield document.fault(("bus", "claim_idle_ms"), f"must be at least twice lease_ttl_ms, {2 * ttl}", str(idle_ms))


def _order_accounts(document: Document) -> Iterator[Fault]:
    """Orders are sent with a key, to a venue that has accounts."""
    for path, provider in _items(document, "providers"):
        orders, credentials = provider.get("orders"), provider.get("credentials")
        if not isinstance(orders, dict) or orders.get("enabled") is not True:
            continue
        venue = provider.get("venue")
        if venue in VENUES_WITHOUT_ACCOUNTS:
            yield document.fault((*path, "orders", "enabled"), f"{venue} has no accounts to send orders of", "true")
        elif not isinstance(credentials, dict) or not credentials.get("api_key_env"):
            yield document.fault((*path, "orders", "enabled"), "needs credentials", "true")


def _literal_secrets(document: Document) -> Iterator[Fault]:
    """A handler's parameters hold no secret themselves."""
    for path, consumer in _items(document, "consumers"):
        params = consumer.get("params")
        for key, value in params.items() if isinstance(params, dict) else ():
            if is_secret_key(key) and isinstance(value, str) and value:
                yield document.fault(
                    (*path, "params", key), f"a secret must not stand here; name its variable in {key}_env"
                )


_RULES: tuple[Rule, ...] = (
    _unique_names,
    _venue_offers,
    _handlers,
    _merge_rules,
    _subscriptions,
    _report_symbols,
    _bus_retention, _lease_times,
    _order_accounts,
    _literal_secrets,
)


def variables(document: Document) -> Iterator[tuple[PathKey, str]]:
    """(path, name) of every environment variable that holds what is needed and secret; of providers that are on."""
    # What a node is called is asked of workers alone, and stands in what they log.
    found = _variables(document.tree, ())
    yield from (one for one in found if one[0] != ("bus", "coordination", "node_id_env"))


def _variables(value: Any, path: PathKey) -> Iterator[tuple[PathKey, str]]:
    if isinstance(value, dict):
        if path[:1] == ("providers",) and value.get("enabled") is False:
            return
        for key, below in value.items():
            if key.endswith("_env") and isinstance(below, str):
                yield (*path, key), below
            else:
                yield from _variables(below, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _variables(item, (*path, index))


def _unset_variables(document: Document, env: Mapping[str, str]) -> Iterator[Fault]:
    for path, name in variables(document):
        # A token for the operator's surface is made by the engine where none is set.
        if path != ("api", "token_env") and name.isidentifier() and not env.get(name):
            yield document.fault(path, f"the environment variable {name} is not set")
