from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcmp, memcpy

# Id 0 is the engine itself: the provider of what it makes, and the instrument of events without a symbol.
provider_names = ["engine"]
symbol_names = []
instrument_keys = [("engine", None)]
cdef dict _providers = {"engine": 0}
cdef dict _symbols = {}
cdef dict _instruments = {("engine", None): 0}


def provider_id(str name not None) -> int:
    """Dense id of a provider name (INS-08), made at first use."""
    found = _providers.get(name)
    if found is None:
        found = _providers[name] = len(provider_names)
        provider_names.append(name)
    return found


def symbol_id(str symbol not None) -> int:
    """Dense id of a public symbol (INS-07), made at first use."""
    found = _symbols.get(symbol)
    if found is None:
        found = _symbols[symbol] = len(symbol_names)
        symbol_names.append(symbol)
    return found


def instrument_id(str provider not None, str symbol) -> int:
    """Dense id of a (provider, symbol) pair, made at first use; symbol is None for events without one."""
    key = (provider, symbol)
    found = _instruments.get(key)
    if found is None:
        provider_id(provider)
        if symbol is not None:
            symbol_id(symbol)
        found = _instruments[key] = len(instrument_keys)
        instrument_keys.append(key)
    return found


def instrument_key(uint32_t instrument) -> tuple[str, str | None]:
    """(provider, symbol) of an instrument id.

    Raises:
        IndexError: no such id was given out.
    """
    return instrument_keys[instrument]


def instrument_count() -> int:
    """How many instrument ids have been given out."""
    return len(instrument_keys)


cdef uint64_t hash_text(const char* text, Py_ssize_t length) noexcept nogil:
    """A 64-bit mix of a short text: two overlapping words, then a multiply-fold."""
    cdef uint64_t a = 0
    cdef uint64_t b = 0
    cdef Py_ssize_t i
    if length >= 8:
        memcpy(&a, text, 8)
        memcpy(&b, text + length - 8, 8)
        i = 8
        while i + 8 < length:
            memcpy(&b, text + i, 8)
            a = (a ^ b) * <uint64_t>0x9E3779B97F4A7C15
            i += 8
        memcpy(&b, text + length - 8, 8)
    else:
        memcpy(&a, text, length)
    a ^= <uint64_t>length
    a = (a ^ (b * <uint64_t>0xC2B2AE3D27D4EB4F)) * <uint64_t>0x9E3779B97F4A7C15
    return a ^ (a >> 29)


cdef class SymbolTable:
    def __cinit__(self):
        self._names = []
        self._capacity = 16
        self._mask = 31
        self._slots = <uint32_t*>calloc(32, sizeof(uint32_t))
        self._text = <const char**>calloc(16, sizeof(char*))
        self._length = <Py_ssize_t*>calloc(16, sizeof(Py_ssize_t))
        if self._slots == NULL or self._text == NULL or self._length == NULL:
            raise MemoryError("symbol table")

    def __dealloc__(self):
        free(self._slots)
        free(self._text)
        free(self._length)

    cdef int find(self, const char* text, Py_ssize_t length) noexcept:
        """Index of a spelling, or -1."""
        cdef uint32_t slot = <uint32_t>(hash_text(text, length)) & self._mask
        cdef uint32_t found = self._slots[slot]
        while found:
            if self._length[found - 1] == length and memcmp(self._text[found - 1], text, length) == 0:
                return <int>found - 1
            slot = (slot + 1) & self._mask
            found = self._slots[slot]
        return -1

    cdef int _grow(self) except -1:
        cdef uint32_t capacity = self._capacity * 2
        cdef uint32_t i, slot
        cdef const char** text = <const char**>realloc(self._text, capacity * sizeof(char*))
        if text == NULL:
            raise MemoryError("symbol table")
        self._text = text
        cdef Py_ssize_t* lengths = <Py_ssize_t*>realloc(self._length, capacity * sizeof(Py_ssize_t))
        if lengths == NULL:
            raise MemoryError("symbol table")
        self._length = lengths
        cdef uint32_t* slots = <uint32_t*>calloc(capacity * 2, sizeof(uint32_t))
        if slots == NULL:
            raise MemoryError("symbol table")
        free(self._slots)
        self._slots = slots
        self._capacity = capacity
        self._mask = capacity * 2 - 1
        for i in range(self._count):
            slot = <uint32_t>(hash_text(self._text[i], self._length[i])) & self._mask
            while self._slots[slot]:
                slot = (slot + 1) & self._mask
            self._slots[slot] = i + 1
        return 0

    def add(self, bytes name not None) -> int:
        """Index of a spelling, added when new."""
        cdef int found = self.find(name, len(name))
        cdef uint32_t slot
        if found >= 0:
            return found
        if self._count == self._capacity:
            self._grow()
        self._names.append(name)          # keeps the bytes alive
        self._text[self._count] = name
        self._length[self._count] = len(name)
        slot = <uint32_t>(hash_text(name, len(name))) & self._mask
        while self._slots[slot]:
            slot = (slot + 1) & self._mask
        self._count += 1
        self._slots[slot] = self._count
        return self._count - 1

    def index(self, bytes name not None) -> int:
        """Index of a spelling, -1 when it is unknown."""
        return self.find(name, len(name))

    def __len__(self) -> int:
        return self._count
