from libc.stdint cimport int64_t, uint64_t

cdef extern from *:
    """
    #include <stdint.h>
    #if defined(__GLIBC__) && (__GLIBC__ > 2 || (__GLIBC__ == 2 && __GLIBC_MINOR__ >= 33))
    #include <malloc.h>
    static int64_t bench_heap_bytes(void) {
        struct mallinfo2 info = mallinfo2();
        return (int64_t)(info.uordblks + info.hblkhd);
    }
    #else
    static int64_t bench_heap_bytes(void) { return -1; }
    #endif

    static PyMemAllocatorEx bench_own[3];
    static uint64_t bench_made;
    static int bench_counting;

    static void *bench_malloc(void *ctx, size_t size) {
        bench_made++;
        return ((PyMemAllocatorEx *)ctx)->malloc(((PyMemAllocatorEx *)ctx)->ctx, size);
    }
    static void *bench_calloc(void *ctx, size_t count, size_t size) {
        bench_made++;
        return ((PyMemAllocatorEx *)ctx)->calloc(((PyMemAllocatorEx *)ctx)->ctx, count, size);
    }
    static void *bench_realloc(void *ctx, void *place, size_t size) {
        bench_made++;
        return ((PyMemAllocatorEx *)ctx)->realloc(((PyMemAllocatorEx *)ctx)->ctx, place, size);
    }
    static void bench_release(void *ctx, void *place) {
        ((PyMemAllocatorEx *)ctx)->free(((PyMemAllocatorEx *)ctx)->ctx, place);
    }
    static void bench_count_start(void) {
        PyMemAllocatorEx counting = {NULL, bench_malloc, bench_calloc, bench_realloc, bench_release};
        if (bench_counting)
            return;
        bench_counting = 1;
        bench_made = 0;
        for (int domain = 0; domain < 3; domain++) {
            PyMem_GetAllocator((PyMemAllocatorDomain)domain, &bench_own[domain]);
            counting.ctx = &bench_own[domain];
            PyMem_SetAllocator((PyMemAllocatorDomain)domain, &counting);
        }
    }
    static uint64_t bench_count_stop(void) {
        if (bench_counting)
            for (int domain = 0; domain < 3; domain++)
                PyMem_SetAllocator((PyMemAllocatorDomain)domain, &bench_own[domain]);
        bench_counting = 0;
        return bench_made;
    }
    #ifndef ENGINE_BUILD_MODE
    #define ENGINE_BUILD_MODE "unknown"
    #define ENGINE_BUILD_FLAGS ""
    #endif
    """
    int64_t bench_heap_bytes()
    void bench_count_start()
    uint64_t bench_count_stop()
    const char* ENGINE_BUILD_MODE
    const char* ENGINE_BUILD_FLAGS


def start_counting() -> None:
    """Count every allocation of Python's three allocators from now on; again does nothing."""
    bench_count_start()


def stop_counting() -> int:
    """Stop and return how many there were."""
    return bench_count_stop()


def heap_bytes() -> int:
    """Bytes the C heap has given out and not got back; -1 where the C library does not tell."""
    return bench_heap_bytes()


def build_flags() -> str:
    """Mode and compiler flags of this build."""
    return f"{(<bytes>ENGINE_BUILD_MODE).decode()}: {(<bytes>ENGINE_BUILD_FLAGS).decode()}"
