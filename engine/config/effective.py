"""Every value in force with where it came from, as `engine-run check --effective` prints it."""

from engine.config.faults import leaves, path_text, shown_value
from engine.config.sections import EngineConfig

DEFAULT = "default"


def effective(config: EngineConfig) -> dict[str, tuple[str, str]]:
    """Path to (value, origin) for every key, in the order of the sections.

    The value is spelled as in the file, masked where its key may hold a secret. The origin is ``default``,
    ``profile NAME``, ``FILE:LINE``, ``--set`` or ``environment NAME``.
    """
    dumped = config.model_dump(mode="json", by_alias=True)
    return {
        path_text(path): (shown_value(path, value), config.origins.get(path_text(path), DEFAULT))
        for path, value in leaves(dumped, ())
    }
