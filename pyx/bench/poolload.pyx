from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t

from engine.base.clock cimport monotonic_ns
from engine.schema.event cimport BOOK_UPDATE
from engine.schema.ports cimport EventPool

cdef enum:
    OUT_MAX = 64

cdef extern from *:
    """
    #include <stdint.h>
    #include <stdlib.h>
    /* The floor: items of an event's size, a stack of free ones, one reference count, no check of any kind.
       It is called through pointers, as a port is. */
    typedef struct { int32_t refs; char body[316]; } bench_item;
    typedef struct bench_slab {
        void *(*get)(struct bench_slab *);
        void (*put)(struct bench_slab *, void *);
        bench_item **free_stack;
        bench_item *items;
        uint32_t free_count;
    } bench_slab;
    static void *bench_get(bench_slab *slab) {
        bench_item *item = slab->free_stack[--slab->free_count];
        item->refs = 1;
        return item;
    }
    static void bench_put(bench_slab *slab, void *item) {
        if (--((bench_item *)item)->refs == 0)
            slab->free_stack[slab->free_count++] = (bench_item *)item;
    }
    static bench_slab *volatile bench_slab_made;
    static bench_slab *bench_make(uint32_t count) {
        bench_slab *slab = (bench_slab *)calloc(1, sizeof(bench_slab));
        if (!slab)
            return NULL;
        slab->items = (bench_item *)calloc(count, sizeof(bench_item));
        slab->free_stack = (bench_item **)calloc(count, sizeof(bench_item *));
        if (!slab->items || !slab->free_stack) {
            free(slab->items);
            free(slab->free_stack);
            free(slab);
            return NULL;
        }
        for (uint32_t i = 0; i < count; i++)
            slab->free_stack[i] = &slab->items[count - 1 - i];
        slab->free_count = count;
        slab->get = bench_get;
        slab->put = bench_put;
        bench_slab_made = slab;         /* the compiler must not see which functions stand behind the pointers */
        return bench_slab_made;
    }
    static void bench_free(bench_slab *slab) {
        free(slab->items);
        free(slab->free_stack);
        free(slab);
    }
    """
    ctypedef struct bench_slab:
        void* (*get)(bench_slab*) noexcept
        void (*put)(bench_slab*, void*) noexcept
    bench_slab* bench_make(uint32_t count)
    void bench_free(bench_slab* slab)


cdef class PoolLoad:
    """Events taken from a pool and given back.

    Args:
        pool: has a pool of book updates.
    """

    def __init__(self, EventPool pool not None):
        self._pool = pool

    def run(self, pairs: int, out: int = 1) -> int:
        """*pairs* gets and puts, *out* (1..64) events out at a time; returns wall ns.

        Raises:
            ValueError: *out* is out of range.
            RuntimeError: the pool ran dry.
        """
        cdef EventPool pool = self._pool
        cdef PyObject* held[OUT_MAX]
        cdef int i
        cdef int at_once = checked(out)
        cdef int64_t n, started_ns
        cdef int64_t rounds = pairs // out
        started_ns = monotonic_ns()
        for n in range(rounds):
            for i in range(at_once):
                held[i] = pool.acquire_nowait(BOOK_UPDATE)
                if held[i] == NULL:
                    raise RuntimeError("the pool ran dry")
            for i in range(at_once):
                pool.release(held[i])
        return monotonic_ns() - started_ns

    @staticmethod
    def run_slab(pairs: int, out: int = 1) -> int:
        """The same of a bare C slab; returns wall ns.

        Raises:
            ValueError: *out* is out of range.
        """
        cdef void* held[OUT_MAX]
        cdef int i
        cdef int at_once = checked(out)
        cdef int64_t n, started_ns
        cdef int64_t rounds = pairs // out
        cdef bench_slab* slab = bench_make(1024)
        if slab == NULL:
            raise MemoryError("slab")
        started_ns = monotonic_ns()
        for n in range(rounds):
            for i in range(at_once):
                held[i] = slab.get(slab)
            for i in range(at_once):
                slab.put(slab, held[i])
        started_ns = monotonic_ns() - started_ns
        bench_free(slab)
        return started_ns


cdef int checked(out) except -1:
    if not 1 <= out <= OUT_MAX:
        raise ValueError(f"out must be 1..{OUT_MAX}, not {out}")
    return out
