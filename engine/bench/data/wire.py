"""Plain reading and writing of book frames: standard json, strings kept as the venue spelled them."""
import json
from dataclasses import dataclass

Level = tuple[str, str]
"""Price and quantity as text; a quantity of zero removes the level."""


@dataclass(frozen=True)
class BookMessage:
    """Levels of one symbol out of one frame.

    Attributes:
        first_id, last_id: Binance ``U`` and ``u`` (a snapshot: ``lastUpdateId`` twice); Coinbase
            ``sequence_num`` twice; 0 on Kraken, which numbers nothing.
        is_snapshot: both sides are replaced, not changed.
    """

    symbol: str
    bids: list[Level]
    asks: list[Level]
    first_id: int
    last_id: int
    is_snapshot: bool = False


def read_binance_snapshot(symbol: str, raw: bytes) -> BookMessage:
    """REST depth body of *symbol*."""
    body = json.loads(raw)
    update_id = body["lastUpdateId"]
    return BookMessage(symbol, _pairs(body["bids"]), _pairs(body["asks"]), update_id, update_id, True)


def read_frame(venue: str, raw: bytes) -> list[BookMessage]:
    """Book messages of one WebSocket frame of *venue*.

    Raises:
        ValueError: the venue is unknown or the frame holds no book.
    """
    if venue == "binance":
        data = json.loads(raw)["data"]
        if data.get("e") != "depthUpdate":
            raise ValueError(f"not a depthUpdate: {raw[:80]!r}")
        return [BookMessage(data["s"], _pairs(data["b"]), _pairs(data["a"]), data["U"], data["u"])]
    if venue == "coinbase":
        return _read_coinbase(raw)
    if venue == "kraken":
        return _read_kraken(raw)
    raise ValueError(f"no such venue: {venue}")


def _pairs(levels: list[list[str]]) -> list[Level]:
    return [(price, quantity) for price, quantity, *_ in levels]


def _read_coinbase(raw: bytes) -> list[BookMessage]:
    frame = json.loads(raw)
    if frame["channel"] != "l2_data":
        raise ValueError(f"not l2_data: {raw[:80]!r}")
    sequence = frame["sequence_num"]
    messages = []
    for event in frame["events"]:
        bids: list[Level] = []
        asks: list[Level] = []
        for update in event["updates"]:
            side = bids if update["side"] == "bid" else asks
            side.append((update["price_level"], update["new_quantity"]))
        is_snapshot = event["type"] == "snapshot"
        messages.append(BookMessage(event["product_id"], bids, asks, sequence, sequence, is_snapshot))
    return messages


def _read_kraken(raw: bytes) -> list[BookMessage]:
    # numbers stay text: the digits after the point are part of the checksum
    frame = json.loads(raw, parse_float=str)
    if frame["channel"] != "book":
        raise ValueError(f"not a book: {raw[:80]!r}")
    is_snapshot = frame["type"] == "snapshot"
    return [
        BookMessage(
            item["symbol"],
            [(str(level["price"]), str(level["qty"])) for level in item["bids"]],
            [(str(level["price"]), str(level["qty"])) for level in item["asks"]],
            0,
            0,
            is_snapshot,
        )
        for item in frame["data"]
    ]


def read_kraken_checksums(raw: bytes) -> list[int]:
    """CRC32 the venue states for each message that ``read_frame`` gives of the same frame."""
    return [item["checksum"] for item in json.loads(raw)["data"]]


def write_binance_update(message: BookMessage, event_time_ms: int) -> bytes:
    """A combined-stream depthUpdate frame with the venue's own key order and spacing."""
    data = {
        "e": "depthUpdate",
        "E": event_time_ms,
        "s": message.symbol,
        "U": message.first_id,
        "u": message.last_id,
        "b": message.bids,
        "a": message.asks,
    }
    stream = f"{message.symbol.lower()}@depth@100ms"
    return json.dumps({"stream": stream, "data": data}, separators=(",", ":")).encode()


def write_coinbase_update(message: BookMessage, timestamp: str, event_time: str) -> bytes:
    """An l2_data update frame; *timestamp* and *event_time* are ISO 8601 texts."""
    updates = [
        {"side": side, "event_time": event_time, "price_level": price, "new_quantity": quantity}
        for side, levels in (("bid", message.bids), ("offer", message.asks))
        for price, quantity in levels
    ]
    frame = {
        "channel": "l2_data",
        "timestamp": timestamp,
        "sequence_num": message.first_id,
        "events": [{"type": "update", "product_id": message.symbol, "updates": updates}],
    }
    return json.dumps(frame, separators=(",", ":")).encode()


def write_kraken_update(message: BookMessage, checksum: int, timestamp: str) -> bytes:
    """A v2 book update; prices and quantities appear as numbers with exactly the digits given."""
    bids, asks = (
        ",".join(f'{{"price":{price},"qty":{quantity}}}' for price, quantity in levels)
        for levels in (message.bids, message.asks)
    )
    return (
        f'{{"channel":"book","type":"update","data":[{{"symbol":"{message.symbol}",'
        f'"bids":[{bids}],"asks":[{asks}],"checksum":{checksum},"timestamp":"{timestamp}"}}]}}'
    ).encode()
