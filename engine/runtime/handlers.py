"""Strategies by their name in the configuration."""

from __future__ import annotations

import os
import pkgutil
import sys

from engine.base.errors import ConfigError
from engine.config.sections_consumers import ConsumerConfig


def load_handler(consumer: ConsumerConfig) -> object:
    """An instance of ``consumers[].handler`` (``module:class``), built with its params where it takes any.

    Raises:
        ConfigError: the module or class is not there, or its constructor fails.
    """
    where = f"consumers[{consumer.consumer_id}].handler"
    if consumer.handler is None:
        raise ConfigError(f"{where} is missing", op="consumers.load")
    # A strategy lies beside its configuration, and the console script puts no folder on the path.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        return pkgutil.resolve_name(consumer.handler)(**consumer.params)
    except Exception as error:
        raise ConfigError(
            f"{where} {consumer.handler}: {type(error).__name__}: {error}",
            op="consumers.load",
            hint="module:class, importable from where engine-run is started; params are its keyword arguments",
        ) from error
