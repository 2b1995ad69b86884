"""Broken frames made from real ones, the same for the same seed."""

import re
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from tests.twins.json_lexemes import Members, Number, dump, parse

# Above this size a frame is broken as bytes only: parsing it to a tree would take the time of all others.
_LARGEST_TREE_BYTES = 32_768
_NUMBER = re.compile(rb"-?[0-9]+(\.[0-9]+)?")
_BAD_UTF8 = (b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xf8\x88\x80\x80", b"\xe2\x82", b"\x80", b"\xc0\xaf")
_HUGE = (
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775809",
    b"18446744073709551616",
    b"1" + b"0" * 400,
    b"0." + b"0" * 400 + b"1",
    b"1e308",
    b"-1e999999",
    b"1E-400",
    b"0." + b"123456789" * 5,
)
_WRONG_NUMBERS = (b"-0", b"-1", b"00", b"01", b"+1", b".5", b"1.", b"NaN", b"Infinity", b"0x10", b"1_0", b"")
_WRONG_VALUES: tuple[Any, ...] = (
    None,
    True,
    "",
    "x",
    [],
    [[]],
    Members(),
    Number("0"),
    Number("-1"),
    "\x00",
    "1e-8",
    " 1 ",
)

Breaker = Callable[[bytes, Random], bytes]


def fuzz_frames(raws: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    """*count* broken frames, each one of *raws* after one to three mutations."""
    rng = Random(seed)
    for _ in range(count):
        frame = rng.choice(raws)
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            frame = rng.choice(BREAKERS)(frame, rng)
        yield frame


def truncate(frame: bytes, rng: Random) -> bytes:
    return frame[: rng.randrange(len(frame) + 1)]


def flip_bits(frame: bytes, rng: Random) -> bytes:
    broken = bytearray(frame)
    for _ in range(rng.randint(1, 8)):
        if broken:
            broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
    return bytes(broken)


def change_bytes(frame: bytes, rng: Random) -> bytes:
    """Take a short run of bytes out, or put one in."""
    place = rng.randrange(len(frame) + 1)
    if rng.random() < 0.5:
        return frame[:place] + frame[place + rng.randint(1, 6) :]
    intruder = bytes([rng.choice(b'"\\{}[],:0.-e \n\x00')]) * rng.randint(1, 3)
    return frame[:place] + intruder + frame[place:]


def splice(frame: bytes, rng: Random) -> bytes:
    """A run of the frame's own bytes a second time, somewhere else."""
    start = rng.randrange(len(frame) + 1)
    piece = frame[start : start + rng.randint(1, 200)]
    place = rng.randrange(len(frame) + 1)
    return frame[:place] + piece + frame[place:]


def bad_utf8(frame: bytes, rng: Random) -> bytes:
    place = rng.randrange(len(frame) + 1)
    return frame[:place] + rng.choice(_BAD_UTF8) + frame[place:]


def huge_number(frame: bytes, rng: Random) -> bytes:
    return _other_number(frame, rng, _HUGE)


def wrong_number(frame: bytes, rng: Random) -> bytes:
    return _other_number(frame, rng, _WRONG_NUMBERS)


def duplicate_key(frame: bytes, rng: Random) -> bytes:
    """A member a second time in its object, with its own value or that of another."""

    def broken(members: Members) -> None:
        if members:
            key, value = rng.choice(members)
            other = rng.choice((value, rng.choice(members)[1], rng.choice(_WRONG_VALUES)))
            members.insert(rng.randrange(len(members) + 1), (key, other))

    return _in_some_object(frame, rng, broken)


def lose_key(frame: bytes, rng: Random) -> bytes:
    def broken(members: Members) -> None:
        if members:
            del members[rng.randrange(len(members))]

    return _in_some_object(frame, rng, broken)


def wrong_value(frame: bytes, rng: Random) -> bytes:
    """A member whose value is of another kind."""

    def broken(members: Members) -> None:
        if members:
            place = rng.randrange(len(members))
            members[place] = (members[place][0], rng.choice(_WRONG_VALUES))

    return _in_some_object(frame, rng, broken)


def deep_nesting(frame: bytes, rng: Random) -> bytes:
    """A run of opening brackets, closed or not, in place of a number or in front of everything."""
    depth = rng.choice((10, 100, 1000, 5000))
    opening, closing = rng.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'[{"b":', b"}]")))
    nested = opening * depth + b"1" + closing * rng.choice((depth, depth, depth - 1, 0))
    numbers = list(_NUMBER.finditer(frame))
    if not numbers or rng.random() < 0.1:
        return nested + frame
    spot = rng.choice(numbers)
    return frame[: spot.start()] + nested + frame[spot.end() :]


BREAKERS: tuple[Breaker, ...] = (
    truncate,
    flip_bits,
    change_bytes,
    splice,
    bad_utf8,
    huge_number,
    wrong_number,
    duplicate_key,
    lose_key,
    wrong_value,
    deep_nesting,
)


def _other_number(frame: bytes, rng: Random, choices: tuple[bytes, ...]) -> bytes:
    numbers = list(_NUMBER.finditer(frame))
    if not numbers:
        return frame + rng.choice(choices)
    spot = rng.choice(numbers)
    return frame[: spot.start()] + rng.choice(choices) + frame[spot.end() :]


def _in_some_object(frame: bytes, rng: Random, broken: Callable[[Members], None]) -> bytes:
    """*broken* on one object of the frame; bits are flipped where the frame is no JSON any more."""
    if len(frame) > _LARGEST_TREE_BYTES:
        return flip_bits(frame, rng)
    try:
        tree = parse(frame.decode())
        objects = list(_objects_in(tree))
        if objects:
            broken(rng.choice(objects))
            return dump(tree).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        pass
    return flip_bits(frame, rng)


def _objects_in(tree: Any) -> Iterator[Members]:
    """Every object of a tree, the tree itself included."""
    rest = [tree]
    while rest:
        value = rest.pop()
        if isinstance(value, Members):
            yield value
            rest += [member for _, member in value]
        elif isinstance(value, list):
            rest += value
