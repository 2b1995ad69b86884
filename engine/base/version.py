"""Which version this is."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

NAME = "engine"
NOT_INSTALLED = "0+source"


@cache
def engine_version() -> str:
    """Version of the installed package; ``0+source`` where the tree is used without an installation."""
    try:
        return version(NAME)
    except PackageNotFoundError:
        return NOT_INSTALLED
