"""`engine-run instruments`: what a capture, or a venue's metadata body, knows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.common import JsonFlag, flags_of, nearest, one_of
from engine.cli.output import print_json, print_table

if TYPE_CHECKING:
    from engine.runtime.metadata import Known

VENUES = ("binance", "coinbase", "kraken", "simulated")


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("instruments")
    def instruments(
        ctx: typer.Context,
        source: Annotated[
            Path, typer.Argument(metavar="FILE", help="A capture, or a metadata body with --venue.")
        ],
        venue: Annotated[
            str | None,
            typer.Option(
                help="FILE is this venue's exchangeInfo, products, AssetPairs or instruments.", callback=one_of(VENUES)
            ),
        ] = None,
        symbol: Annotated[str | None, typer.Option(help="Only this BASE-QUOTE.")] = None,
        json: JsonFlag = False,
    ) -> None:
        """List what is known of the instruments: symbol, tick, lot, minimum, status."""
        from engine.runtime.metadata import instruments_of_body, instruments_of_capture

        known = instruments_of_body(source, venue) if venue else instruments_of_capture(source)
        if symbol is not None:
            known = _only(known, symbol)
        if flags_of(ctx, as_json=json).as_json:
            print_json(
                {
                    "instruments": [record.to_record() for record in known.records],
                    "guessed": [{"provider": r.provider, "symbol": r.symbol, "venue_symbol": r.venue_symbol}
                                for r in known.guessed],
                    "skipped": [{"venue_symbol": s.venue_symbol, "why": s.reason} for s in known.skipped],
                }
            )  # fmt: skip
            return
        _print(known)


def _only(known: Known, symbol: str) -> Known:
    """What is known of one symbol.

    Raises:
        UnknownSymbolError: nothing.
    """
    from engine.base.errors import UnknownSymbolError
    from engine.runtime.metadata import Known

    found = Known(
        [record for record in known.records if record.symbol == symbol],
        [record for record in known.guessed if record.symbol == symbol],
    )
    if not found.records and not found.guessed:
        there = [record.symbol for record in (*known.records, *known.guessed)]
        hint = f"nearest there: {nearest(symbol, there)}" if there else "the file knows no symbol"
        raise UnknownSymbolError(f"{symbol} is not in the file", op="instruments.find", hint=hint)
    return found


def _print(known: Known) -> None:
    rows = []
    for record in known.records:
        told = record.to_record()
        rows.append(
            (record.provider, record.symbol, record.venue_symbol, record.status.name.lower(), told["tick_size"],
             told["lot_size"], told["min_qty"], told["min_notional"] or "-")
        )  # fmt: skip
    for record in known.guessed:
        rows.append((record.provider, record.symbol, record.venue_symbol, "no metadata", "-", "-", "-", "-"))
    print_table(("venue", "symbol", "venue symbol", "status", "tick", "lot", "min qty", "min notional"), rows)
    print(
        f"{len(rows):,} instrument{'s' if len(rows) != 1 else ''}"
        + (f", {len(known.skipped):,} left out" if known.skipped else "")
    )
