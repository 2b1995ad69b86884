"""What the words of ``engine-run ctl`` are made of: whom a call asks, how it prints, the flags all of them have."""


from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_type_hints

import typer

from engine.cli.api_client import ApiClient, client_of
from engine.cli.common import (
    ApiFlag,
    ConfigFlag,
    Flags,
    JsonFlag,
    LogLevelFlag,
    SetFlag,
    flags_of,
)
from engine.cli.output import print_json, print_table

YesFlag = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]
ConsumerFlag = Annotated[str | None, typer.Option("--consumer", metavar="ID", help="Of this consumer alone.")]
ProviderFlag = Annotated[str | None, typer.Option("--provider", metavar="NAME", help="At this provider alone.")]
SymbolFlag = Annotated[str | None, typer.Option("--symbol", metavar="BASE-QUOTE", help="Of this symbol alone.")]


@dataclass(frozen=True)
class Ctl:
    """One call: whom it asks and how it prints."""

    engine: ApiClient
    flags: Flags

    def print(self, answer: Any, lines: Callable[[Any], object] | None = None) -> None:
        """The answer as JSON where that was asked for, else by *lines*, else key by key."""
        if self.flags.as_json:
            print_json(answer)
        elif lines is not None:
            lines(answer)
        else:
            for key, value in answer.items():
                print(f"{key}: {text_of(value)}")

    def tell(self, text: str, answer: Any) -> None:
        """One line, or the answer as JSON."""
        self.print(answer, lambda _: print(text))

    def rows(self, name: str, columns: Sequence[str], answer: Any) -> None:
        """A list as a table of these columns, ``a.b`` reaching inside, or the answer as JSON."""

        def table(found: Any) -> None:
            print_table(columns, [[text_of(_inside(row, key)) for key in columns] for row in found[name]])

        self.print(answer, table)


def sure(what: str, yes: bool) -> None:
    """Ask a person before *what* is done; without one, only ``--yes`` will do.

    Raises:
        BadParameter: nobody said yes.
    """
    if yes or (sys.stdin.isatty() and typer.confirm(f"{what}?", err=True)):
        return
    raise typer.BadParameter(f"{what} must be confirmed; nearest valid: --yes")


def _inside(row: Any, key: str) -> Any:
    for part in key.split("."):
        row = row.get(part) if isinstance(row, dict) else None
    return row


def text_of(value: Any) -> str:
    """A value of an answer for a person."""
    if isinstance(value, dict):
        return " ".join(f"{key}={text_of(item)}" for key, item in value.items())
    if isinstance(value, list):
        return " ".join(map(text_of, value))
    return "-" if value is None else str(value)


_COMMON: dict[str, Any] = {
    "config": (ConfigFlag, None),
    "sets": (SetFlag, None),
    "log_level": (LogLevelFlag, None),
    "as_json": (JsonFlag, False),
    "api": (ApiFlag, None),
}


def word(app: typer.Typer, name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add ``ctl .. NAME``: a function of a :class:`Ctl` and of its own arguments; it gets the common flags besides."""

    def add(function: Callable[..., None]) -> Callable[..., None]:
        def called(ctx: typer.Context, **given: Any) -> None:
            common = {key: given.pop(key) for key in _COMMON}
            flags = flags_of(ctx, **common)
            function(Ctl(client_of(flags), flags), **given)

        hints = get_type_hints(function, include_extras=True)
        own = list(inspect.signature(function).parameters.values())[1:]
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters = [inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)]
        parameters += [one.replace(kind=kind, annotation=hints[one.name]) for one in own]
        parameters += [inspect.Parameter(key, kind, default=default, annotation=hint)
                       for key, (hint, default) in _COMMON.items()]  # fmt: skip
        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {one.name: one.annotation for one in parameters}
        called.__doc__ = function.__doc__
        app.command(name)(called)
        return function

    return add


def group(app: typer.Typer, name: str, help: str) -> typer.Typer:
    """Add ``ctl NAME ..``."""
    found = typer.Typer(name=name, help=help, rich_markup_mode=None, no_args_is_help=True)
    app.add_typer(found)
    return found
