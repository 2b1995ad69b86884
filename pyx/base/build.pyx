from engine.base.plants cimport ENGINE_CHECKS

cdef extern from *:
    """
    #ifndef ENGINE_BUILD_MODE
    #define ENGINE_BUILD_MODE "unknown"
    #endif
    #ifndef ENGINE_BUILD_FLAGS
    #define ENGINE_BUILD_FLAGS ""
    #endif
    """
    const char* ENGINE_BUILD_MODE
    const char* ENGINE_BUILD_FLAGS
    const char* __VERSION__


def build_mode() -> str:
    """``release``, ``checks``, ``trace`` or ``asan``."""
    return ENGINE_BUILD_MODE.decode()


def build_flags() -> str:
    """Compiler flags of the extension modules."""
    return ENGINE_BUILD_FLAGS.decode()


def compiler() -> str:
    """Version of the C compiler."""
    return __VERSION__.decode()


def has_plants() -> bool:
    """Whether planted faults are compiled in (ENGINE_PLANT chooses one)."""
    return bool(ENGINE_CHECKS)
