"""The scalars of the configuration: names, symbols, decimals, addresses; and rules between neighbours."""

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

Item = TypeVar("Item", bound=Hashable)


class Section(BaseModel):
    """Base of every section: unknown keys refused, frozen, no coercion of types, defaults checked too."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A check on a value of the right type, with its words for the JSON Schema."""

    check: Callable[[Any], Any]
    words: dict[str, Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        described: dict[str, Any] = handler(schema)
        return described | self.words


def _matching(pattern: str, what: str) -> Rule:
    compiled = re.compile(pattern, re.ASCII)

    def check(value: str) -> str:
        if compiled.fullmatch(value) is None:
            raise PydanticCustomError("spelling", "must be {what}", {"what": what})
        return value

    return Rule(check, {"pattern": f"^{pattern}$"})


ProviderName = Annotated[
    str, _matching(r"[a-z][a-z0-9_]{0,31}", "a name: a letter, then at most 31 of a-z 0-9 _")
]
ConsumerId = Annotated[
    str, _matching(r"[a-z0-9][a-z0-9_-]{0,31}", "an id: 1 to 32 of a-z 0-9 _ -, not led by _ -")
]
RuleName = Annotated[
    str, _matching(r"[a-z][a-z0-9_]{0,31}", "a name: a letter, then at most 31 of a-z 0-9 _")
]
InstanceId = Annotated[str, _matching(r"[a-z0-9-]{1,32}", "1 to 32 of a-z 0-9 -")]
Symbol = Annotated[str, _matching(r"[A-Z0-9]{1,20}-[A-Z0-9]{1,20}", "BASE-QUOTE in upper case, as BTC-USD")]
MergeKey = Annotated[
    str,
    _matching(
        r"[A-Z0-9]{1,20}-[A-Z0-9]{1,20}:(BookSnapshot|BookUpdate|Trade|Ticker|KlineSummary)",
        "SYMBOL:Type, as BTC-USD:BookSnapshot",
    ),
]
EnvName = Annotated[
    str,
    _matching(r"[A-Z_][A-Z0-9_]*", "the NAME of an environment variable; a secret itself never stands here"),
]
HandlerPath = Annotated[
    str,
    _matching(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", "module:class, as desk.strategies:MarketMaker"),
]
WsUrl = Annotated[
    str, _matching(r"wss?://[^/\s@]+(/\S*)?", "a ws:// or wss:// address without user or password")
]
HttpUrl = Annotated[
    str, _matching(r"https?://[^/\s@]+(/\S*)?", "an http:// or https:// address without user or password")
]
FilePath = Annotated[str, StringConstraints(min_length=1)]
Port = Annotated[int, Field(ge=0, le=65535)]

_DECIMAL_TEXT = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]+)?", re.ASCII)
_DECIMAL_CHARS_MAX = 40


def _decimal(what: str, low: Decimal | None, high: Decimal | None) -> BeforeValidator:
    """A decimal text above *low* and below *high*; both are exclusive."""

    def check(value: Any) -> Any:
        if isinstance(value, str) and len(value) <= _DECIMAL_CHARS_MAX and _DECIMAL_TEXT.fullmatch(value):
            number = Decimal(value)
            if (low is None or number > low) and (high is None or number < high):
                return value
        raise PydanticCustomError("decimal", 'must be {what} in quotes, as "0.01"', {"what": what})

    return BeforeValidator(check)


DecimalText = Annotated[str, _decimal("a decimal of at most 40 characters", None, None)]
PositiveDecimal = Annotated[str, _decimal("a decimal above 0, of at most 40 characters,", Decimal(0), None)]
PositiveFraction = Annotated[str, _decimal("a decimal between 0 and 1", Decimal(0), Decimal(1))]


def _word_or_integer(word: str, low: int, high: int) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if value == word or (type(value) is int and low <= value <= high):
            return value
        raise PydanticCustomError(
            "word_or_integer",
            "must be {word} or an integer {low}..{high}",
            {"word": word, "low": low, "high": high},
        )

    return check


def _word_or_integer_schema(word: str, low: int, high: int) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [{"const": word}, {"type": "integer", "minimum": low, "maximum": high}]})


# One validator for the whole alternative: a union would report one fault per member.
Capacity = Annotated[
    int | Literal["auto"],
    PlainValidator(_word_or_integer("auto", 1, 4194304)),
    _word_or_integer_schema("auto", 1, 4194304),
]
TokenRate = Annotated[
    int | Literal["unlimited"],
    PlainValidator(_word_or_integer("unlimited", 1, 10000000)),
    _word_or_integer_schema("unlimited", 1, 10000000),
]
SettleTime = Annotated[
    int | Literal["auto"],
    PlainValidator(_word_or_integer("auto", 1, 600000)),
    _word_or_integer_schema("auto", 1, 600000),
]

_REPORT_SYMBOL = re.compile(r"[a-z][a-z0-9_]{0,31}:[A-Z0-9]{1,20}-[A-Z0-9]{1,20}", re.ASCII)


def _all_or_symbols(value: Any) -> Any:
    if value == "all":
        return value
    if (
        isinstance(value, list | tuple)
        and value
        and all(isinstance(item, str) and _REPORT_SYMBOL.fullmatch(item) for item in value)
    ):
        return tuple(value)
    raise PydanticCustomError("all_or_symbols", "must be all or a list of venue:BASE-QUOTE")


ReportSymbols = Annotated[
    tuple[str, ...] | Literal["all"],
    PlainValidator(_all_or_symbols),
    PlainSerializer(lambda value: value if isinstance(value, str) else list(value)),
    WithJsonSchema({"anyOf": [{"const": "all"}, {"type": "array", "items": {"type": "string"}}]}),
]


def _distinct(values: tuple[Item, ...]) -> tuple[Item, ...]:
    repeated = sorted({str(value) for value in values if values.count(value) > 1})
    if repeated:
        raise PydanticCustomError(
            "distinct", "names {repeated} more than once", {"repeated": ", ".join(repeated)}
        )
    return values


# A YAML list becomes a tuple, the one coercion allowed: the loaded configuration cannot be changed in place.
Several = Annotated[tuple[Item, ...], Field(strict=False)]
Distinct = Annotated[tuple[Item, ...], Field(strict=False), AfterValidator(_distinct)]


def counted(low: int, high: int) -> Rule:
    """A list of *low* to *high* items; told only where the items themselves are right."""

    def check(values: tuple[Item, ...]) -> tuple[Item, ...]:
        if not low <= len(values) <= high:
            raise PydanticCustomError("counted", "must have {low}..{high} items", {"low": low, "high": high})
        return values

    return Rule(check, {"minItems": low, "maxItems": high})


def bounded_by(other: str, holds: Callable[[Any, Any], bool], words: str) -> AfterValidator:
    """A rule against a field declared earlier in the section; silent where that one is at fault itself."""

    def check(value: Any, info: ValidationInfo) -> Any:
        limit = info.data.get(other)
        if limit is not None and value is not None and not holds(value, limit):
            raise PydanticCustomError(
                "bounded_by",
                "must be {words} {other} ({limit})",
                {"words": words, "other": other, "limit": limit},
            )
        return value

    return AfterValidator(check)


def at_least(other: str) -> AfterValidator:
    """Not below the field *other*."""
    return bounded_by(other, lambda value, limit: value >= limit, "at least")


def above(other: str) -> AfterValidator:
    """Above the field *other*."""
    return bounded_by(other, lambda value, limit: value > limit, "above")


def below(other: str) -> AfterValidator:
    """Below the field *other*."""
    return bounded_by(other, lambda value, limit: value < limit, "below")


def at_most(other: str) -> AfterValidator:
    """Not above the field *other*, where that is a number."""
    return bounded_by(other, lambda value, limit: not isinstance(limit, int) or value <= limit, "at most")


def decimal_above(other: str) -> AfterValidator:
    """Above the decimal text in the field *other*."""
    return bounded_by(other, lambda value, limit: Decimal(value) > Decimal(limit), "above")


def multiple_of(other: str) -> AfterValidator:
    """A whole number of times the field *other*."""
    return bounded_by(other, lambda value, limit: value % limit == 0, "a multiple of")


def zero_or_at_least(low: int) -> AfterValidator:
    """0 switches it off, anything else starts at *low*."""

    def check(value: int) -> int:
        if value and value < low:
            raise PydanticCustomError("zero_or_at_least", "must be 0 or at least {low}", {"low": low})
        return value

    return AfterValidator(check)
