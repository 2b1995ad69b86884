"""Who asks: bearer tokens, and what each lets its holder do (API-01)."""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.base.errors import ConfigError
from engine.base.secrets import register_secret
from engine.config.sections import EngineConfig

_TOKEN_BYTES = 32
_SCHEME = "bearer "


@dataclass(frozen=True)
class Caller:
    """Whoever asks.

    Attributes:
        may_write: holds the full token.
        may_read: holds the full token or the read-only one.
        consumer_id: the consumer whose token it is; empty = an operator, or nobody.
    """

    may_write: bool = False
    may_read: bool = False
    consumer_id: str = ""

    @property
    def is_known(self) -> bool:
        """Whether it showed a token of ours."""
        return self.may_read or bool(self.consumer_id)


NOBODY = Caller()


class Tokens:
    """The tokens of one run.

    Args:
        config: names the variables.
        env: environment variables.

    Attributes:
        is_own: the full token is one of ours, for no variable gives one.
    """

    def __init__(self, config: EngineConfig, env: Mapping[str, str]) -> None:
        api = config.api
        given = env.get(api.token_env, "")
        self.is_own = not given
        self.full = given or secrets.token_urlsafe(_TOKEN_BYTES)
        register_secret(self.full)
        self._callers: list[tuple[bytes, Caller]] = [(self.full.encode(), Caller(may_write=True, may_read=True))]
        if api.read_token_env and env.get(api.read_token_env):
            self._callers.append((env[api.read_token_env].encode(), Caller(may_read=True)))
        for consumer in config.consumers:
            if consumer.token_env and env.get(consumer.token_env):
                self._callers.append((env[consumer.token_env].encode(), Caller(consumer_id=consumer.consumer_id)))

    def caller(self, authorization: str) -> Caller:
        """Who an Authorization header is of; each comparison takes as long whatever it holds."""
        if authorization[: len(_SCHEME)].lower() != _SCHEME:
            return NOBODY
        shown = authorization[len(_SCHEME) :].strip().encode()
        found = NOBODY
        for token, caller in self._callers:
            if hmac.compare_digest(shown, token) and not found.is_known:
                found = caller
        return found


def write_private(path: Path, text: str) -> None:
    """Put *text* into a file that its owner alone may read, at once or not at all.

    Raises:
        ConfigError: its folder cannot be written.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        draft.unlink(missing_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(text)
        draft.replace(path)
    except OSError as error:
        raise ConfigError(f"engine.state_dir: {path} cannot be written: {error.strerror}", op="api.start") from error
