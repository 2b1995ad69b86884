cimport cython
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from engine.schema.event cimport TYPE_STRIDE
from engine.schema.ports cimport VersionPort


@cython.final
cdef class RoutingTable:
    def __dealloc__(self):
        free(self._first)
        free(self._count)
        free(self._consumers)

    def consumers_of(self, instrument: int, event_type: int) -> list[int]:
        """Consumer indices of (instrument id, event type), in subscription order."""
        cdef const uint16_t* found = NULL
        cdef uint32_t count = self.route(<uint32_t>instrument * TYPE_STRIDE + <uint32_t>event_type, &found)
        return [found[i] for i in range(count)]


cdef RoutingTable build(uint64_t version, list order, dict routes):
    cdef RoutingTable table = RoutingTable()
    cdef uint32_t total = 0
    cdef uint32_t place = 0
    cdef uint32_t stream
    by_stream = {}
    for consumer in order:
        for key in routes.get(consumer, ()):
            by_stream.setdefault(key, []).append(consumer)
            total += 1
    table.version = version
    table._stream_count = max(by_stream, default=-1) + 1
    table._first = <uint32_t*>calloc(table._stream_count + 1, sizeof(uint32_t))
    table._count = <uint32_t*>calloc(table._stream_count + 1, sizeof(uint32_t))
    table._consumers = <uint16_t*>calloc(total + 1, sizeof(uint16_t))
    if table._first == NULL or table._count == NULL or table._consumers == NULL:
        raise MemoryError(f"routing table of {total} routes")
    for stream, consumers in sorted(by_stream.items()):
        table._first[stream] = place
        table._count[stream] = len(consumers)
        for consumer in consumers:
            table._consumers[place] = consumer
            place += 1
    return table


cdef class RoutingBoard(VersionPort):
    """The routing in force. Each change adds exactly 1 to the version; a change that changes nothing adds none."""

    def __init__(self):
        self._routes = {}
        self._order = []
        self._history = {}
        self._left = {}
        self.version = self.oldest = 1
        self.table = build(1, [], {})

    cdef RoutingTable table_of(self, uint64_t version):
        """The table an event was stamped with, less the consumers that have left since."""
        kept = self._history.get(version)
        if kept is None:
            return self.table
        table, order, routes = kept
        gone = [consumer for consumer in order if self._left.get(consumer, 0) > version]
        if gone:
            order = [consumer for consumer in order if consumer not in gone]
            routes = {consumer: routes[consumer] for consumer in order}
            table = build(version, order, routes)
            self._history[version] = (table, order, routes)
        return table

    cdef int forget_history(self) except -1:
        """Nothing held refers to an older table."""
        self._history.clear()
        self._left.clear()
        self.history_count = 0
        self.oldest = self.version
        return 0

    def set_routes(self, consumer: int, streams: frozenset[int]) -> int:
        """Make *streams* (stream indices) the routes of a consumer; returns the version then in force."""
        if self._routes.get(consumer, frozenset()) == streams:
            return self.version
        routes = dict(self._routes)
        order = list(self._order)
        if streams:
            routes[consumer] = streams
            if consumer not in order:
                order.append(consumer)
        else:
            routes.pop(consumer, None)
            if consumer in order:
                order.remove(consumer)
        table = build(self.version + 1, order, routes)
        self._history[self.table.version] = (self.table, self._order, self._routes)
        self.history_count = len(self._history)
        if not streams:
            self._left[consumer] = self.version + 1
        self._routes = routes
        self._order = order
        self.table = table
        self.version = table.version
        return self.version

    def current(self) -> RoutingTable:
        """The table in force."""
        return self.table


def stream_index(instrument: int, event_type: int) -> int:
    """Dense index of the stream (instrument id, event type)."""
    return instrument * TYPE_STRIDE + event_type
