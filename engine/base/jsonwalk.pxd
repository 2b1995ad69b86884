"""Walking one JSON document by its structural index: inline only, no allocation, no recursion.

simdjson's first stage (engine.base.jsonindex) validates UTF-8 and strings and lists where every structural
character, string and scalar starts. A cursor steps over that list; since the next entry tells where a token ends,
no character between tokens is looked at twice. Key order never matters; what a decoder does not know it skips.

DANGER: a cursor and every offset taken from it die with the frame's memory.
"""
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcmp

from engine.base.units cimport PARSE_MALFORMED, parse_u64


cdef extern from *:
    """
    #include <string.h>
    /* With a literal the length is known when this is compiled: a compare or two, no call. */
    static inline int engine_follows(const char *p, const char *word) { return memcmp(p, word, strlen(word)) == 0; }
    """
    # Whether the text at p is *word*. DANGER: reads as many characters as *word* has.
    bint follows "engine_follows"(const char* p, const char* word) nogil


cdef struct Cursor:
    const char* text          # the frame
    const uint32_t* at        # structural positions; the entries past the last repeat the first one
    uint32_t i                # next token
    uint32_t n                # number of tokens


cdef enum WireCode:
    # What a decoder answers; the stream counts each and keeps the frame's bytes.
    WIRE_OK = 0
    WIRE_NOT_JSON = 1          # broken structure, text after the document, bad UTF-8
    WIRE_MISSING_FIELD = 2
    WIRE_WRONG_TYPE = 3
    WIRE_BAD_NUMBER = 4
    WIRE_OVERFLOW = 5
    WIRE_DUPLICATE_KEY = 6
    WIRE_UNKNOWN_VALUE = 7     # an enum value the venue's documentation does not have
    WIRE_UNKNOWN_SYMBOL = 8
    WIRE_TOO_DEEP = 9
    WIRE_BAD_TIME = 10
    WIRE_BAD_VALUE = 11        # well-formed, but impossible (a price of 0, a missing side)


cdef enum:
    NESTING_MAX = 64


cdef inline char token(const Cursor* c) noexcept nogil:
    """First character of the token at the cursor."""
    return c.text[c.at[c.i]]


cdef inline bint is_space(char ch) noexcept nogil:
    return ch == c' ' or ch == c'\n' or ch == c'\r' or ch == c'\t'


cdef inline const char* token_end(const Cursor* c, uint32_t i) noexcept nogil:
    """One past the last character of scalar token i (a string's closing quote included); NULL if malformed."""
    cdef const char* start = c.text + c.at[i]
    cdef const char* end = c.text + c.at[i + 1]
    while end > start and end[-1] <= 32 and is_space(end[-1]):
        end -= 1
    return end if end > start else NULL


cdef inline int text_at(const Cursor* c, uint32_t i, const char** start, const char** end) noexcept nogil:
    """Contents of string token i between its quotes, or of a bare number or literal."""
    cdef const char* p = c.text + c.at[i]
    cdef const char* e = token_end(c, i)
    if e == NULL:
        return WIRE_NOT_JSON
    if p[0] == c'"':
        if e - p < 2 or e[-1] != c'"':
            return WIRE_NOT_JSON
        start[0] = p + 1
        end[0] = e - 1
        return WIRE_OK
    if p[0] == c'{' or p[0] == c'[':
        return WIRE_WRONG_TYPE
    start[0] = p
    end[0] = e
    return WIRE_OK


cdef inline bint is_null(const Cursor* c, uint32_t i) noexcept nogil:
    cdef const char* e = token_end(c, i)
    return e != NULL and e - (c.text + c.at[i]) == 4 and memcmp(c.text + c.at[i], b"null", 4) == 0


cdef inline int string_at(const Cursor* c, uint32_t i, const char** start, const char** end) noexcept nogil:
    """Contents of string token i; a number or literal is WIRE_WRONG_TYPE."""
    if c.text[c.at[i]] != c'"':
        return WIRE_WRONG_TYPE
    return text_at(c, i, start, end)


cdef inline int u64_at(const Cursor* c, uint32_t i, uint64_t* out) noexcept nogil:
    """Token i as an unsigned integer, written as a JSON number or a string."""
    cdef const char* p
    cdef const char* e
    cdef int code = text_at(c, i, &p, &e)
    if code != WIRE_OK:
        return code
    code = parse_u64(c.text, p, e, out)
    if code == 0:
        return WIRE_OK
    return WIRE_BAD_NUMBER if code == PARSE_MALFORMED else WIRE_OVERFLOW


cdef inline int bool_at(const Cursor* c, uint32_t i, bint* out) noexcept nogil:
    cdef const char* p = c.text + c.at[i]
    cdef const char* e = token_end(c, i)
    if e != NULL and e - p == 4 and memcmp(p, b"true", 4) == 0:
        out[0] = True
        return WIRE_OK
    if e != NULL and e - p == 5 and memcmp(p, b"false", 5) == 0:
        out[0] = False
        return WIRE_OK
    return WIRE_WRONG_TYPE


cdef inline bint same(const char* p, const char* e, const char* word, Py_ssize_t length) noexcept nogil:
    """Whether the text [p, e) is *word* of *length* characters."""
    return e - p == length and memcmp(p, word, length) == 0


cdef inline int skip_value(Cursor* c) noexcept nogil:
    """Step over one value of any kind."""
    cdef char ch = token(c)
    if ch == c'{' or ch == c'[' or ch == c'}' or ch == c']' or ch == c',' or ch == c':' or c.i >= c.n:
        return skip_nested(c)
    c.i += 1
    return WIRE_OK


cdef inline int skip_nested(Cursor* c) noexcept nogil:
    """Step over an object or array; brackets must match, at most NESTING_MAX deep."""
    cdef uint64_t kinds = 0          # one bit a level: 1 = object
    cdef int depth = 0
    cdef char ch
    while c.i < c.n:
        ch = token(c)
        c.i += 1
        if ch == c'{' or ch == c'[':
            if depth == NESTING_MAX:
                return WIRE_TOO_DEEP
            kinds = (kinds << 1) | (ch == c'{')
            depth += 1
        elif ch == c'}' or ch == c']':
            if depth == 0 or (kinds & 1) != (ch == c'}'):
                return WIRE_NOT_JSON
            kinds >>= 1
            depth -= 1
        elif depth == 0 and (ch == c',' or ch == c':'):
            return WIRE_NOT_JSON
        if depth == 0:
            return WIRE_OK
    return WIRE_NOT_JSON


cdef inline int open_object(Cursor* c, bint* empty) noexcept nogil:
    """Enter an object; *empty* tells that it has been left already."""
    if token(c) != c'{':
        return WIRE_WRONG_TYPE
    c.i += 1
    empty[0] = token(c) == c'}'
    if empty[0]:
        c.i += 1
    return WIRE_OK


cdef inline int open_array(Cursor* c, bint* empty) noexcept nogil:
    if token(c) != c'[':
        return WIRE_WRONG_TYPE
    c.i += 1
    empty[0] = token(c) == c']'
    if empty[0]:
        c.i += 1
    return WIRE_OK


cdef inline int next_key(Cursor* c, const char** key, Py_ssize_t* length) noexcept nogil:
    """Read a key and its colon; the cursor then stands on the value."""
    cdef const char* e
    if token(c) != c'"' or c.text[c.at[c.i + 1]] != c':' or c.i + 1 >= c.n:
        return WIRE_NOT_JSON
    key[0] = c.text + c.at[c.i] + 1
    e = c.text + c.at[c.i + 1] - 1
    while e > key[0] and e[0] <= 32 and is_space(e[0]):
        e -= 1
    if e < key[0] or e[0] != c'"':
        return WIRE_NOT_JSON
    length[0] = e - key[0]
    c.i += 2
    return WIRE_OK


cdef inline int after_value(Cursor* c, char close, bint* more) noexcept nogil:
    """Read the comma or the closing bracket that follows a value."""
    cdef char ch = token(c)
    c.i += 1
    if ch == c',':
        more[0] = True
        return WIRE_OK
    more[0] = False
    if ch == close and c.i <= c.n:
        return WIRE_OK
    return WIRE_NOT_JSON
