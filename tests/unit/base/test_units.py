"""INS-01 to INS-06: decimal text and scaled integers, exactly, against Decimal."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.base.decimals import exact_raw, to_decimal, to_raw, to_text
from engine.base.errors import ScaleOverflowError, ValidationError
from tests.twins.decimal_twin import MAX_RAW, Outcome, format_raw, parse_text

SCALES = st.integers(0, 18)
RAWS = st.integers(-MAX_RAW, MAX_RAW)


def parsed(text: str, scale: int) -> tuple[Outcome, int | None]:
    """What the engine says of a text, in the twin's words; the raw, or the scale that is needed."""
    try:
        return Outcome.OK, to_raw(text, scale)
    except ScaleOverflowError:
        return Outcome.OVERFLOW, None
    except ValidationError as error:
        words = error.reason.split()
        if "needs" in words:
            return Outcome.WIDEN, int(words[words.index("needs") + 1])
        return Outcome.MALFORMED, None


def told(text: str, scale: int) -> tuple[Outcome, int | None]:
    """The same of the twin."""
    known = parse_text(text, scale)
    return known.outcome, known.scale if known.outcome is Outcome.WIDEN else known.raw


# --- against the twin ---------------------------------------------------------------------------------------


@st.composite
def decimal_texts(draw: st.DrawFn) -> str:
    """Texts of all lengths up to 42, most of them well formed; with a sign they take the slow path."""
    sign = draw(st.sampled_from(["", "", "-"]))
    whole_length = draw(st.integers(0, 20))
    decimals_length = draw(st.integers(0, 20))
    digits = st.text("0123456789", min_size=1)
    whole = draw(st.text("0123456789", min_size=whole_length, max_size=whole_length))
    if draw(st.booleans()):
        whole = whole.lstrip("0") or "0"
    decimals = draw(st.text("0123456789", min_size=decimals_length, max_size=decimals_length))
    if draw(st.booleans()):
        decimals = decimals.rstrip("0") + "0" * draw(st.integers(0, 4))
    text = sign + whole + (f".{decimals}" if decimals else draw(st.sampled_from(["", "", "."])))
    if draw(st.integers(0, 9)) == 0:
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(st.sampled_from([*"-+.eE,: /;", "٣", "\0", draw(digits)])) + text[place:]
    return text


@pytest.mark.property
@settings(max_examples=3000)
@given(text=decimal_texts(), scale=SCALES)
@example("9223372036854775807", 0)
@example("9223372036854775808", 0)
@example("-9223372036854775808", 0)
@example("92233720368.54775807", 8)
@example("92233720368.54775808", 8)
@example("9.223372036854775807", 18)
@example("0.0000000000000000001", 18)
@example("0.0000000000000000000", 18)
@example("9223372036854775807.5", 0)
@example("1234567890123456.7", 0)
def test_ins_06_each_text_is_read_as_the_twin_reads_it(text: str, scale: int) -> None:
    assert parsed(text, scale) == told(text, scale)


@pytest.mark.property
@settings(max_examples=1000)
@given(raw=RAWS, scale=SCALES)
@example(MAX_RAW, 0)
@example(-MAX_RAW, 18)
@example(0, 18)
@example(-1, 18)
def test_ins_06_text_of_a_raw_comes_back_as_the_raw(raw: int, scale: int) -> None:
    text = to_text(raw, scale)
    assert text == format_raw(raw, scale)
    assert to_raw(text, scale) == raw
    assert to_decimal(raw, scale) == Decimal(text)
    assert len(text.partition(".")[2]) == scale


@pytest.mark.property
@settings(max_examples=500)
@given(raw=st.integers(0, 10**18 - 1), scale=SCALES, wider=SCALES)
def test_ins_03_what_fits_a_scale_fits_a_wider_one_or_overflows(raw: int, scale: int, wider: int) -> None:
    if wider < scale:
        scale, wider = wider, scale
    text = to_text(raw, scale)
    at_wider = raw * 10 ** (wider - scale)
    assert parsed(text, wider) == ((Outcome.OK, at_wider) if at_wider <= MAX_RAW else (Outcome.OVERFLOW, None))


@pytest.mark.parametrize("length", range(1, 41))
@pytest.mark.parametrize("dot_from_the_end", [None, 1, 2, 8, 9, 18])
@pytest.mark.parametrize("sign", ["", "-"])
def test_ins_06_every_length_and_every_place_of_the_dot(length: int, dot_from_the_end: int | None, sign: str) -> None:
    digits = "1234567890" * 4
    text = digits[:length]
    if dot_from_the_end is not None and dot_from_the_end < length - 1:
        text = text[: length - 1 - dot_from_the_end] + "." + text[length - dot_from_the_end :]
    text = (sign + text)[:40]
    for scale in range(19):
        assert parsed(text, scale) == told(text, scale), (text, scale)


# --- one by one ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "scale", "raw"),
    [
        ("0", 0, 0), ("0", 18, 0), ("-0", 2, 0), ("0.0", 0, 0), ("1.10", 2, 110), ("1.1", 2, 110), ("1.1000", 2, 110),
        ("61250.00000000", 2, 6_125_000), ("0.00000001", 8, 1), ("999999999999999999", 0, 999_999_999_999_999_999),
        ("0.123456789012345678", 18, 123_456_789_012_345_678), ("12345678.12345678", 8, 1_234_567_812_345_678),
        ("9223372036854775807", 0, MAX_RAW), ("-9223372036854775807", 0, -MAX_RAW),
        ("9.223372036854775807", 18, MAX_RAW), ("92233720368.54775807000000", 8, MAX_RAW),
    ],
)  # fmt: skip
def test_ins_01_a_text_is_its_integer_at_the_scale(text: str, scale: int, raw: int) -> None:
    assert to_raw(text, scale) == raw


def test_ins_01_sums_and_order_are_those_of_the_numbers() -> None:
    assert to_raw("0.1", 1) + to_raw("0.2", 1) == to_raw("0.3", 1)
    assert to_raw("9.9", 1) < to_raw("10", 1)


@pytest.mark.parametrize(
    "text",
    ["", "-", ".", "+1", ".5", "5.", "-.5", "1e-8", "1E5", "NaN", "nan", "Infinity", "inf", "00", "01", "-01", "00.5",
     " 1", "1 ", "1_0", "1,0", "--1", "1-1", "1.2.3", "1..2", "0x1", "٣", "1\n", "1\0", "12345678:", "1234567/.1",
     "1" * 41, "0." + "0" * 39],
)  # fmt: skip
@pytest.mark.parametrize("scale", [0, 2, 8, 18])
def test_ins_06_what_is_no_decimal_text_is_refused(text: str, scale: int) -> None:
    with pytest.raises(ValidationError) as caught:
        to_raw(text, scale)
    assert not isinstance(caught.value, ScaleOverflowError)
    assert "needs" not in caught.value.reason


@pytest.mark.parametrize(
    ("text", "scale"),
    [
        ("9223372036854775808", 0), ("-9223372036854775808", 0), ("92233720368.54775808", 8), ("1" * 40, 0),
        ("92233720368547758.07", 3), ("10", 18), ("0.0000000000000000001", 18), ("9223372036854775807.5", 0),
        ("1234567890123456789.01", 0),
    ],
)  # fmt: skip
def test_ins_04_beyond_64_bits_is_an_overflow_and_never_wraps(text: str, scale: int) -> None:
    with pytest.raises(ScaleOverflowError, match="does not fit 64 bits"):
        to_raw(text, scale)


@pytest.mark.parametrize(
    ("text", "scale", "needed"),
    [("0.5", 0, 1), ("1.23", 1, 2), ("1.2300", 1, 2), ("0.000000000000000001", 2, 18), ("-1.001", 2, 3),
     ("12345678.12345678", 7, 8), ("1234567.10000001", 2, 8)],
)  # fmt: skip
def test_ins_03_a_digit_beyond_the_scale_names_the_scale_it_needs(text: str, scale: int, needed: int) -> None:
    with pytest.raises(ValidationError, match=f"needs {needed} decimals, the scale has {scale}") as caught:
        to_raw(text, scale)
    assert caught.value.hint == f"use scale {needed}"
    assert to_raw(text, needed) == int(Decimal(text).scaleb(needed))


def test_a_scale_lies_in_0_to_18() -> None:
    for scale in (-1, 19, 255):
        for call in (lambda scale=scale: to_raw("1", scale), lambda scale=scale: to_text(1, scale)):
            with pytest.raises(ValidationError, match=f"scale {scale} is outside"):
                call()


@pytest.mark.parametrize("raw", [2**63, -(2**63), 2**70])
def test_ins_04_a_raw_that_is_none_has_no_text(raw: int) -> None:
    for call in (to_text, to_decimal):
        with pytest.raises(ScaleOverflowError):
            call(raw, 2)


def test_money_is_text_and_no_float() -> None:
    with pytest.raises(TypeError):
        to_raw(1.5, 2)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        to_text(1.5, 2)  # type: ignore[arg-type]


def test_arc_19_prices_are_exact_in_order_and_one_level_however_spelled() -> None:
    """The traps of floats: sums, 18 digits, trailing zeros, 9.9 before 10, and 10 and 10.0 as one price."""
    assert to_text(to_raw("0.1", 17) + to_raw("0.2", 17), 17) == "0.30000000000000000"
    assert to_text(to_raw("0.1", 1) + to_raw("0.2", 1), 1) == "0.3"
    for text, scale in (("123456789012345678", 0), ("0.123456789012345678", 18), ("12345678.9012345678", 10)):
        assert to_text(to_raw(text, scale), scale) == text
    assert to_text(to_raw("1.10", 2), 2) == "1.10"
    spelled = ["9.9", "10", "10.0", "9.90", "10.1"]
    assert sorted(spelled, key=lambda text: to_raw(text, 1)) == ["9.9", "9.90", "10", "10.0", "10.1"]
    assert to_raw("10", 1) == to_raw("10.0", 1) == 100
    for beyond in ("9223372036854775808", "-9223372036854775808"):
        with pytest.raises(ScaleOverflowError):
            to_raw(beyond, 0)


# --- decimals whose raw is exact ----------------------------------------------------------------------------


@pytest.mark.property
@given(st.integers(-(10**22), 10**22), st.integers(-24, 4), SCALES)
def test_ins_04_a_decimal_s_raw_is_exact_or_none(digits: int, exponent: int, scale: int) -> None:
    value = Decimal(digits).scaleb(exponent)
    raw = value.scaleb(scale)
    is_whole = raw == raw.to_integral_value() and abs(raw) <= MAX_RAW
    # With an exponent in its text it is left to those that read any: 1E+3, 0E-7, 1E-9.
    assert exact_raw(value, scale) == (int(raw) if is_whole and "E" not in str(value) and len(str(value)) <= 40 else None)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-sNaN", "1E+3", "0.123", "9223372036854775808"])
def test_ins_04_what_has_no_raw_has_none(value: str) -> None:
    assert exact_raw(Decimal(value), 2) is None
    with pytest.raises(ValidationError):
        exact_raw(Decimal(1), 19)
