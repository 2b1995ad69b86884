"""A venue's key, read from the environment and never shown (CFG-04)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.base.errors import ConfigError
from engine.base.secrets import register_secret
from engine.config.sections_providers import CredentialsConfig


@dataclass(frozen=True)
class Credentials:
    """A key of one provider; both halves are masked wherever they would be shown.

    Attributes:
        api_key: the public half: the key, or its name.
        api_secret: the other one, as the venue issued it.
        key_type: ``hmac``, ``rsa``, ``ed25519`` or ``ecdsa``; None = as the venue's keys usually are.
    """

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    key_type: str | None = None


@dataclass(frozen=True)
class PrivateCall:
    """A call by REST that only the owner of a key can make.

    Attributes:
        url: with its query.
        headers: with key and signature, never shown.
        body: of a POST; None = it is a GET.
        weight: that the venue counts for it.
    """

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    weight: int = 1


def read_credentials(
    provider: str, config: CredentialsConfig, env: Mapping[str, str] | None = None
) -> Credentials | None:
    """The key that a provider's configuration names; None where it names none.

    Raises:
        ConfigError: one half is named without the other, or a variable is not set.
    """
    names = (config.api_key_env, config.api_secret_env)
    if names == (None, None):
        return None
    where = f"providers[{provider}].credentials"
    environment = os.environ if env is None else env
    values = []
    for key, name in zip(("api_key_env", "api_secret_env"), names, strict=True):
        if name is None:
            raise ConfigError(f"{where}.{key} is missing: a key has two halves", op="credentials.read")
        value = environment.get(name, "").strip()
        if not value:
            raise ConfigError(f"{where}.{key}: the environment variable {name} is not set", op="credentials.read")
        register_secret(value)
        values.append(value.replace("\\n", "\n"))
    return Credentials(values[0], values[1], config.key_type)
