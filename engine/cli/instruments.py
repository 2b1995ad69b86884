"""`engine-run instruments`: what a capture, or a venue's metadata body, knows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.common import JsonFlag, flags_of, one_of
from engine.cli.output import print_json, print_table

if TYPE_CHECKING:
    from engine.schema.instrument import Instrument, Skipped

VENUES = ("binance", "coinbase", "kraken")


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
            typer.Option(help="FILE is this venue's exchangeInfo, products or AssetPairs.", callback=one_of(VENUES)),
        ] = None,
        symbol: Annotated[str | None, typer.Option(help="Only this BASE-QUOTE.")] = None,
        json: JsonFlag = False,
    ) -> None:
        """List what is known of the instruments: symbol, tick, lot, minimum, status."""
        from engine.runtime.metadata import instruments_of_body, instruments_of_capture

        found, skipped = instruments_of_body(source, venue) if venue else instruments_of_capture(source)
        if symbol is not None:
            found = [record for record in found if record.symbol == symbol]
        if flags_of(ctx, as_json=json).as_json:
            print_json({"instruments": [record.to_record() for record in found],
                        "skipped": [{"venue_symbol": s.venue_symbol, "why": s.reason} for s in skipped]})  # fmt: skip
            return
        _print(found, skipped)


def _print(found: list[Instrument], skipped: list[Skipped]) -> None:
    rows = []
    for record in found:
        told = record.to_record()
        rows.append(
            (record.provider, record.symbol, record.venue_symbol, record.status.name.lower(), told["tick_size"],
             told["lot_size"], told["min_qty"], told["min_notional"] or "-")
        )  # fmt: skip
    print_table(("venue", "symbol", "venue symbol", "status", "tick", "lot", "min qty", "min notional"), rows)
    print(f"{len(found):,} instruments" + (f", {len(skipped):,} left out" if skipped else ""))
