from engine.base.plants cimport ENGINE_CHECKS
from engine.base.plants cimport planted as planted_here

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


def planted(name: str) -> bool:
    """Whether the fault of this name is switched on; for code that is not compiled. Always False in other builds."""
    return bool(ENGINE_CHECKS) and planted_here(name.encode())
