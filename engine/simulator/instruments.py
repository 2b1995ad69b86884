"""What the simulated venues list: real names, invented prices, each venue's own precisions."""

from collections.abc import Sequence

import msgspec

BINANCE = "binance"
COINBASE = "coinbase"
KRAKEN = "kraken"
SIMULATED = "simulated"
"""The plain feed, which is of no real venue."""
VENUES = (BINANCE, COINBASE, KRAKEN, SIMULATED)

TRADING = "trading"

QUOTES = {BINANCE: "USDT", COINBASE: "USD", KRAKEN: "USD", SIMULATED: "USD"}

# Base asset and a starting price in the quote currency, as text.
_COINS: tuple[tuple[str, str], ...] = (
    ("BTC", "61837.6"), ("ETH", "2684.15"), ("SOL", "155.24"), ("XRP", "0.6034"), ("DOGE", "0.10712"),
    ("ADA", "0.3461"), ("AVAX", "22.417"), ("LINK", "10.513"), ("DOT", "4.738"), ("LTC", "61.42"),
    ("BCH", "351.8"), ("TRX", "0.12874"), ("ATOM", "5.126"), ("UNI", "6.084"), ("XLM", "0.10142"),
    ("ETC", "19.63"), ("FIL", "3.947"), ("NEAR", "4.208"), ("APT", "6.153"), ("ARB", "0.5837"),
    ("OP", "1.4126"), ("INJ", "18.354"), ("SUI", "0.9143"), ("AAVE", "104.63"), ("MKR", "2048.5"),
    ("ALGO", "0.1283"), ("GRT", "0.15342"), ("SAND", "0.2647"), ("MANA", "0.2873"), ("AXS", "4.726"),
    ("FLOW", "0.5642"), ("EGLD", "26.84"), ("XTZ", "0.6871"), ("EOS", "0.4892"), ("CHZ", "0.05631"),
    ("CRV", "0.27416"), ("SNX", "1.3852"), ("COMP", "43.71"), ("YFI", "5142"), ("ZEC", "38.27"),
    ("DASH", "24.52"), ("KSM", "19.87"), ("ENJ", "0.14263"), ("BAT", "0.16527"), ("ZRX", "0.30184"),
    ("IMX", "1.1674"), ("LDO", "1.0923"), ("RUNE", "3.4517"), ("FET", "0.8364"), ("RENDER", "4.972"),
    ("GALA", "0.017362"), ("APE", "0.6824"), ("KAVA", "0.3108"), ("ROSE", "0.06174"), ("ONE", "0.011853"),
    ("QTUM", "2.3416"), ("ICP", "7.184"), ("TIA", "4.9163"), ("SEI", "0.29847"), ("WIF", "1.6238"),
)

# Where the real venue's precision is well known and the rule below would give another one:
# (price decimals, quantity decimals).
_PRECISIONS = {
    BINANCE: {"BTC": (2, 5), "ETH": (2, 4), "SOL": (2, 3)},
    COINBASE: {"BTC": (2, 8), "ETH": (2, 8), "SOL": (2, 8)},
    KRAKEN: {"BTC": (1, 8), "ETH": (2, 8), "SOL": (2, 8)},
    SIMULATED: {},
}


class SimInstrument(msgspec.Struct, frozen=True):
    """One pair at one venue. Money is in integers at *price_scale* and *qty_scale* decimals."""

    venue: str
    base: str
    quote: str
    venue_symbol: str
    price_scale: int
    qty_scale: int
    tick_raw: int
    lot_raw: int
    start_price_raw: int
    min_qty_raw: int
    status: str = TRADING
    """trading, halted or cancel_only."""


def default_coins(count: int) -> list[str]:
    """The first *count* base assets; past the named ones they are called SIM61, SIM62 and so on."""
    named = [base for base, _ in _COINS[:count]]
    return named + [f"SIM{number}" for number in range(len(named) + 1, count + 1)]


def list_instruments(venue: str, bases: Sequence[str]) -> list[SimInstrument]:
    """The instruments of *venue* for *bases*, in that order. Raises ValueError for an unknown venue."""
    if venue not in QUOTES:
        raise ValueError(f"no simulated venue is called {venue!r}; there are {', '.join(VENUES)}")
    return [_instrument(venue, base) for base in bases]


def _instrument(venue: str, base: str) -> SimInstrument:
    price_text = dict(_COINS).get(base, "1.25")
    price_scale, qty_scale = _PRECISIONS[venue].get(base) or _precision(venue, price_text)
    quote = QUOTES[venue]
    separator = {BINANCE: "", COINBASE: "-", KRAKEN: "/", SIMULATED: "-"}[venue]
    whole, _, decimals = price_text.partition(".")
    start_price_raw = int(whole + decimals.ljust(price_scale, "0")[:price_scale])
    return SimInstrument(
        venue=venue,
        base=base,
        quote=quote,
        venue_symbol=f"{base}{separator}{quote}",
        price_scale=price_scale,
        qty_scale=qty_scale,
        tick_raw=1,
        lot_raw=1,
        start_price_raw=start_price_raw,
        min_qty_raw=max(1, 10**qty_scale // max(1, start_price_raw // 10**price_scale)),
    )


def _precision(venue: str, price_text: str) -> tuple[int, int]:
    """Some five significant digits for a price, and lots of about a cent to a dollar."""
    whole, _, decimals = price_text.partition(".")
    magnitude = len(whole) if whole != "0" else len(decimals.lstrip("0")) - len(decimals)
    price_scale = min(8, max(1, 5 - magnitude))
    if venue == KRAKEN:
        return price_scale, 8
    qty_scale = max(0, magnitude)
    return price_scale, qty_scale if venue == BINANCE else min(8, qty_scale + 2)
