"""Planted faults: a test that cannot fail proves nothing, so each known mistake can be switched on and seen caught.

Compiled into the checks-on build alone (ENGINE_CHECKS=1), where ENGINE_PLANT names the fault; elsewhere `planted`
is a constant 0 and costs nothing.
"""

cdef extern from *:
    """
    #include <stdlib.h>
    #include <string.h>
    #ifndef ENGINE_CHECKS
    #define ENGINE_CHECKS 0
    #endif
    #if ENGINE_CHECKS
    static inline int engine_planted(const char *name) {
        const char *chosen = getenv("ENGINE_PLANT");
        return chosen != NULL && strcmp(chosen, name) == 0;
    }
    #else
    #define engine_planted(name) 0
    #endif
    """
    bint planted "engine_planted"(const char* name) noexcept nogil
    const int ENGINE_CHECKS
