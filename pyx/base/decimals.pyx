from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from engine.base.plants cimport ENGINE_CHECKS
from engine.base.units cimport (PARSE_MALFORMED, PARSE_OK, PARSE_WIDEN, SCALE_MAX, format_decimal, parse_decimal,
                                parse_decimal_slow)

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* length) except NULL

from decimal import Decimal
from operator import index

from engine.base.errors import InvariantError, ScaleOverflowError, ValidationError

cdef enum:
    TEXT_MAX = 40              # INS-06
    FLOOR = 24                 # bytes before the text that parse_decimal may read, never as digits


def to_raw(str text not None, int scale) -> int:
    """The number of a decimal text times 10^scale, exactly.

    Args:
        text: ``-?(0|[1-9][0-9]*)(\\.[0-9]+)?``, at most 40 characters; no sign but minus, no exponent.
        scale: decimals of the result, 0..18; the text may have more if they are zeros.

    Raises:
        ValidationError: not such a text, or it needs more decimals than *scale*: how many.
        ScaleOverflowError: outside +-(2^63 - 1), or a digit beyond the eighteenth decimal.
    """
    cdef char[FLOOR + TEXT_MAX] place
    cdef const char* first = place + FLOOR
    cdef bytes encoded = text.encode("utf-8", "replace")
    cdef Py_ssize_t length = len(encoded)
    cdef int64_t raw = 0
    cdef int code
    check_scale(scale)
    if length > TEXT_MAX:
        raise ValidationError(f"a number of {len(text)} characters, not 1..{TEXT_MAX}", op="decimals.to_raw")
    memset(place, c'9', FLOOR)
    memcpy(place + FLOOR, <const char*>encoded, length)
    code = parse_checked(place, first, first + length, scale, &raw)
    if code == PARSE_OK:
        return raw
    if code == PARSE_MALFORMED:
        raise ValidationError(f"{text!r} is not a decimal number", op="decimals.to_raw",
                              hint="digits, a dot and digits; no exponent, no plus sign, no leading zeros")
    if code == PARSE_WIDEN:
        needed = raw
        if parse_checked(place, first, first + length, <int>raw, &raw) == PARSE_OK:
            raise ValidationError(f"{text} needs {needed} decimals, the scale has {scale}", op="decimals.to_raw",
                                  hint=f"use scale {needed}")
    raise ScaleOverflowError(f"{text} does not fit 64 bits at scale {scale}", op="decimals.to_raw")


def exact_raw(value not None, int scale):
    """A Decimal times 10^scale, where that is a whole number of 64 bits and takes no exponent to write; else None.

    Raises:
        ValidationError: *scale* is outside 0..18.
    """
    cdef char[FLOOR + TEXT_MAX] place
    cdef const char* first = place + FLOOR
    cdef Py_ssize_t length = 0
    cdef object text = str(value)
    cdef const char* encoded = PyUnicode_AsUTF8AndSize(text, &length)
    cdef int64_t raw = 0
    check_scale(scale)
    if length > TEXT_MAX:
        return None
    memset(place, c'9', FLOOR)
    memcpy(place + FLOOR, encoded, length)
    return raw if parse_checked(place, first, first + length, scale, &raw) == PARSE_OK else None


cdef int parse_checked(const char* place, const char* first, const char* end, int scale, int64_t* out) except -1:
    """parse_decimal; in the checks build its fast path is compared with the slow one each time."""
    cdef int code = parse_decimal(place, first, end, scale, out)
    cdef int64_t slow = 0
    if ENGINE_CHECKS:
        if parse_decimal_slow(first, end, scale, &slow) != code or (code <= PARSE_WIDEN and slow != out[0]):
            raise InvariantError(f"{first[:end - first]!r} at scale {scale}: {out[0]} fast, {slow} slow",
                                 op="decimals.to_raw")
    return code


def to_text(raw, int scale) -> str:
    """The decimal text of raw x 10^-scale, with exactly *scale* decimals: 110 at scale 2 is ``1.10``.

    Raises:
        ScaleOverflowError: *raw* is outside +-(2^63 - 1).
        ValidationError: *scale* is outside 0..18.
    """
    check_scale(scale)
    raw = index(raw)
    if not -(2**63) < raw < 2**63:
        raise ScaleOverflowError(f"{raw} does not fit 64 bits", op="decimals.to_text")
    return format_decimal(raw, scale)


def to_decimal(raw, int scale):
    """The exact Decimal of raw x 10^-scale.

    Raises:
        ScaleOverflowError: *raw* is outside +-(2^63 - 1).
        ValidationError: *scale* is outside 0..18.
    """
    return Decimal(to_text(raw, scale))


cdef int check_scale(int scale) except -1:
    if not 0 <= scale <= SCALE_MAX:
        raise ValidationError(f"scale {scale} is outside 0..{SCALE_MAX}", op="decimals.scale")
    return 0
