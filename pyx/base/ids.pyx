cimport cython
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
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
    if instrument >= <size_t>len(instrument_keys):
        raise IndexError(f"instrument id {instrument}: only {len(instrument_keys)} were given out")
    return instrument_keys[instrument]


def instrument_count() -> int:
    """How many instrument ids have been given out."""
    return len(instrument_keys)


@cython.final
cdef class SymbolTable:
    def __cinit__(self):
        self._names = []
        self._resize(32)

    def __dealloc__(self):
        free(self._places)

    cdef int _resize(self, uint32_t places) except -1:
        """Place every name anew in a table of *places*, a power of two."""
        cdef Spelling* fresh = <Spelling*>calloc(places, sizeof(Spelling))
        cdef uint32_t index
        if fresh == NULL:
            raise MemoryError(f"symbol table of {places}")
        free(self._places)
        self._places = fresh
        self._mask = places - 1
        for index in range(<uint32_t>len(self._names)):
            self._place(self._names[index], index)
        return 0

    cdef void _place(self, bytes name, uint32_t index):
        """Write a name, kept alive by the list of names, to its place."""
        cdef Spelling spelling
        cdef uint32_t at
        spelling.text = name
        spelling.length = <uint32_t>len(name)
        spelling.number = index + 1
        ends_of(spelling.text, spelling.length, &spelling)
        at = hash_of(&spelling) & self._mask
        while self._places[at].number:
            at = (at + 1) & self._mask
        self._places[at] = spelling

    def add(self, bytes name not None) -> int:
        """Index of a spelling, added when new."""
        cdef int found = self.find(name, len(name))
        if found >= 0:
            return found
        found = <int>len(self._names)
        self._names.append(name)
        if 2 * <uint32_t>found >= self._mask:
            self._resize(2 * (self._mask + 1))
        else:
            self._place(name, <uint32_t>found)
        return found

    def index(self, bytes name not None) -> int:
        """Index of a spelling, -1 when it is unknown."""
        return self.find(name, len(name))

    def __len__(self) -> int:
        return len(self._names)
