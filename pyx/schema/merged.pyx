cimport cython
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport uint32_t

from engine.schema.event cimport CARE_FRAGMENTS, MERGED_EVENT, Event

from engine.schema.enums import CloseReason, EventType, by_number
from engine.schema.event import register_class

cdef tuple _CLOSES = by_number(CloseReason)
cdef list _terms = []                       # (rule, expected providers) that events refer to
cdef dict _places = {}                      # the same -> place + 1


cdef uint32_t keep_terms(str rule, tuple providers) except? 0:
    """Give a rule's name and providers a place that a merged event can carry."""
    place = _places.get((rule, providers))
    if place is None:
        _terms.append((rule, providers))
        place = _places[rule, providers] = len(_terms)
    return place


cdef tuple terms_of(MergedEvent merged):
    return _terms[merged.m.terms - 1] if merged.m.terms else ("", ())


cdef int fill_fragments(MergedEvent merged, list fragments) except -1:
    """Make detached events its fragments."""
    if len(fragments) > FRAGMENTS_MAX or len({(one.symbol, one.type) for one in fragments}) > 1:
        raise ValueError(f"fragments are at most {FRAGMENTS_MAX}, of one symbol and type")
    merged.forget_fragments()
    merged.is_python_owner = True
    for one in fragments:
        Py_INCREF(one)
        merged.fragment_refs[merged.fragments_held] = <PyObject*>one
        merged.fragments_held += 1
    return 0


@cython.final
cdef class MergedEvent(Event):
    """One fragment of each provider of a merge rule, from one window (EVT-19); its type is theirs."""

    def __cinit__(self):
        self.s.data = &self.m
        self.s.data_size = sizeof(MergedData)
        self.s.type = MERGED_EVENT
        self.s.care = CARE_FRAGMENTS

    def __dealloc__(self):
        if self.is_python_owner:
            self.forget_fragments()

    cdef object own_fields(self):
        return ("rule", "window_open_ns", "window_close_ns", "close_reason", "expected_providers", "source_providers",
                "fragments", "fragment_count", "is_complete")

    cdef int fill_own(self, str name, object value) except -1:
        if name == "rule":
            self.m.terms = keep_terms(value, terms_of(self)[1])
        elif name == "expected_providers":
            self.m.terms = keep_terms(terms_of(self)[0], tuple(value))
        elif name == "window_open_ns":
            self.m.window_open_ns = value
        elif name == "window_close_ns":
            self.m.window_close_ns = value
        elif name == "close_reason":
            self.m.close_reason = CloseReason(value) if value is not None else 0
        elif name == "fragments":
            fill_fragments(self, [one if one.is_detached else one.detach() for one in value])
        elif name == "fragment_count":
            self.m.fragment_count = value
        else:
            Event.fill_own(self, name, value)
        return 0

    cdef int copy_own(self, Event source) except -1:
        cdef MergedEvent merged = source
        cdef int i
        fill_fragments(self, [(<Event>merged.fragment_refs[i]).detach() for i in range(merged.fragments_held)])
        return 0

    cdef int own_by_python(self) except -1:
        """It leaves its pool for good: whoever holds it holds its fragments."""
        cdef int i
        for i in range(self.fragments_held):
            Py_INCREF(<object>self.fragment_refs[i])
        self.is_python_owner = True
        return 0

    cdef int forget_fragments(self) except -1:
        """Let go of them; references of the engine must have been given back."""
        cdef int count = self.fragments_held
        cdef int i
        self.fragments_held = 0
        if self.is_python_owner:
            self.is_python_owner = False
            for i in range(count):
                Py_DECREF(<object>self.fragment_refs[i])
        return 0

    @property
    def type(self):
        """EventType of its fragments."""
        self.guard()
        return EventType((<Event>self.fragment_refs[0]).s.type if self.fragments_held else MERGED_EVENT)

    @property
    def event_id(self) -> str:
        """``merged:<rule>:symbol:type:ident``; the type is that of its fragments."""
        self.guard()
        return f"{self.provider}:{self.symbol or ''}:{self.type.class_name}:{self._ident()}"

    @property
    def merge_id(self):
        """``<rule>:<symbol>:<type>:<window_open_ns>``."""
        self.guard()
        if not self.m.terms:
            return None
        return f"{self.rule}:{self.symbol or ''}:{self.type.class_name}:{self.m.window_open_ns}"

    @property
    def rule(self) -> str:
        """Name of the merge rule."""
        self.guard()
        return terms_of(self)[0]

    @property
    def window_open_ns(self) -> int:
        """Arrival of the fragment that opened the window, ns since 1970 UTC."""
        self.guard()
        return self.m.window_open_ns

    @property
    def window_close_ns(self) -> int:
        """Its deadline, or the arrival of the fragment that filled it, ns since 1970 UTC."""
        self.guard()
        return self.m.window_close_ns

    @property
    def close_reason(self):
        """CloseReason: TIME, COUNT or COMPLETE."""
        self.guard()
        return _CLOSES[self.m.close_reason]

    @property
    def expected_providers(self) -> tuple[str, ...]:
        """Providers of the rule, in its order."""
        self.guard()
        return terms_of(self)[1]

    @property
    def source_providers(self) -> tuple[str, ...]:
        """Providers of the fragments, in their order."""
        self.guard()
        return tuple(one.provider for one in self.fragments)

    @property
    def fragments(self) -> tuple[Event, ...]:
        """One whole event of each provider, in the rule's order; valid as long as this event is."""
        self.guard()
        return tuple(<object>self.fragment_refs[<int>i] for i in range(self.fragments_held))

    @property
    def fragment_count(self) -> int:
        """Fragments that arrived in the window, those that newer ones replaced included."""
        self.guard()
        return self.m.fragment_count

    @property
    def is_complete(self) -> bool:
        """Whether every expected provider is among the fragments; always so on what the engine emits."""
        self.guard()
        return set(self.expected_providers) == set(self.source_providers)


register_class(MergedEvent, MERGED_EVENT)
