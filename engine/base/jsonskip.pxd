"""Stepping over what a decoder does not use, and refusing what is no JSON even there. Inline only.

A frame that was damaged on its way is mostly damaged in more than one place, so a broken field that nobody reads is
a reason to doubt those that are read: with these a frame is taken only when all of it is JSON.
"""
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memchr, memcmp

from engine.base.jsonwalk cimport (NESTING_MAX, Cursor, WIRE_NOT_JSON, WIRE_OK, WIRE_TOO_DEEP, next_key, text_at,
                                   token, token_end)


cdef inline bint is_digit(char ch) noexcept nogil:
    return c'0' <= ch <= c'9'


cdef inline bint escapes_hold(const char* p, const char* e) noexcept nogil:
    """Whether every backslash of a string's contents begins an escape that JSON has."""
    cdef int k
    p = <const char*>memchr(p, c'\\', e - p) if p < e else NULL
    while p != NULL:
        if e - p < 2:
            return False
        if p[1] == c'u':
            if e - p < 6:
                return False
            for k in range(2, 6):
                if not (is_digit(p[k]) or c'a' <= p[k] <= c'f' or c'A' <= p[k] <= c'F'):
                    return False
        elif memchr(b"\"\\/bfnrt", p[1], 8) == NULL:
            return False
        p += 2
        p = <const char*>memchr(p, c'\\', e - p) if p < e else NULL
    return True


cdef inline bint string_holds(const Cursor* c, uint32_t i) noexcept nogil:
    cdef const char* p = NULL
    cdef const char* e = NULL
    return text_at(c, i, &p, &e) == WIRE_OK and escapes_hold(p, e)


cdef inline bint strings_hold(const Cursor* c, size_t length) noexcept nogil:
    """Whether every string of a document of *length*, keys too, has only escapes that JSON has.

    Once this holds a string can be stepped over unseen: simdjson has found its end and looked at its characters.
    """
    cdef uint32_t i
    if memchr(c.text, c'\\', length) == NULL:
        return True                  # as in most frames
    for i in range(c.n):
        if c.text[c.at[i]] == c'"' and not string_holds(c, i):
            return False
    return True


cdef inline bint is_number(const char* p, const char* e) noexcept nogil:
    """Whether the text [p, e) is a JSON number."""
    if p < e and p[0] == c'-':
        p += 1
    if p >= e or not is_digit(p[0]):
        return False
    if p[0] == c'0':
        p += 1
    else:
        while p < e and is_digit(p[0]):
            p += 1
    if p < e and p[0] == c'.':
        p += 1
        if p >= e or not is_digit(p[0]):
            return False
        while p < e and is_digit(p[0]):
            p += 1
    if p < e and (p[0] == c'e' or p[0] == c'E'):
        p += 1
        if p < e and (p[0] == c'+' or p[0] == c'-'):
            p += 1
        if p >= e or not is_digit(p[0]):
            return False
        while p < e and is_digit(p[0]):
            p += 1
    return p == e


cdef inline bint is_scalar(const Cursor* c) noexcept nogil:
    """Whether the token at the cursor is a string, a number or a literal."""
    cdef const char* p = c.text + c.at[c.i]
    cdef const char* e = token_end(c, c.i)
    if e == NULL:
        return False
    if p[0] == c'"':
        return e - p >= 2 and e[-1] == c'"'
    if p[0] == c't':
        return e - p == 4 and memcmp(p, b"true", 4) == 0
    if p[0] == c'f':
        return e - p == 5 and memcmp(p, b"false", 5) == 0
    if p[0] == c'n':
        return e - p == 4 and memcmp(p, b"null", 4) == 0
    return is_number(p, e)


cdef inline int checked_skip(Cursor* c) noexcept nogil:
    """Step over one value of any kind, which must be JSON throughout and at most NESTING_MAX deep.

    Where strings_hold was asked before; it looks at no string.
    """
    cdef uint64_t kinds = 0          # one bit a level: 1 = object
    cdef int depth = 0
    cdef const char* key = NULL
    cdef Py_ssize_t length = 0
    cdef bint opened
    cdef char ch
    while c.i < c.n:
        ch = token(c)
        opened = ch == c'{' or ch == c'['
        if opened:
            if depth == NESTING_MAX:
                return WIRE_TOO_DEEP
            kinds = (kinds << 1) | (ch == c'{')
            depth += 1
        elif not is_scalar(c):
            return WIRE_NOT_JSON
        c.i += 1
        # What follows: a value's comma or closing brackets, or the first member of what was opened.
        while depth and c.i < c.n:
            ch = token(c)
            if ch == (c'}' if kinds & 1 else c']'):
                kinds >>= 1
                depth -= 1
                c.i += 1
                opened = False
                continue
            if not opened:
                if ch != c',':
                    return WIRE_NOT_JSON
                c.i += 1
            if kinds & 1 and next_key(c, &key, &length) != WIRE_OK:
                return WIRE_NOT_JSON
            break
        if depth == 0:
            return WIRE_OK
    return WIRE_NOT_JSON
