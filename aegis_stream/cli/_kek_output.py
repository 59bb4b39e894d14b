"""How a provisioned KEK is told: as variables of a shell, of Compose, of Kubernetes, or as JSON."""

from __future__ import annotations

import json
import re
import shlex
from enum import StrEnum
from typing import TYPE_CHECKING

from aegis_stream.errors import ConfigurationError

if TYPE_CHECKING:
    from aegis_stream.kek.provision import Provisioned

_LONGEST_NAME = 253
_PART = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SECRET_NAME = re.compile(rf"{_PART}(\.{_PART})*")


class Format(StrEnum):
    """The forms of `--format`."""

    ENV = "env"
    COMPOSE = "compose"
    KUBERNETES = "kubernetes"
    JSON = "json"


def check_secret_name(name: str) -> None:
    """Refuse what Kubernetes refuses as the name of a Secret.  Raises ConfigurationError."""
    if len(name) > _LONGEST_NAME or not _SECRET_NAME.fullmatch(name):
        raise ConfigurationError(
            "--secret-name is no name of a Kubernetes object",
            remedy="small letters, digits, dashes and dots, 253 at most, a letter or digit at both ends of each part",
        )


def rendered(made: Provisioned, form: Format, *, secret_name: str) -> str:
    """Return the text, with a line break at its end."""
    return _FORMS[form](made, secret_name)


def _env(made: Provisioned, _: str) -> str:
    """Return lines that a POSIX shell reads (`set -a; . FILE`)."""
    lines = [f"{name}={shlex.quote(value)}" for name, value in made.variables.items()]
    return "\n".join([*_comments(made), *lines]) + "\n"


def _compose(made: Provisioned, _: str) -> str:
    """Return lines for `env_file`: a value in single quotes is taken as it stands."""
    lines = [
        f"{name}={value}" if _plain(value) else "{}='{}'".format(name, value.replace("'", "\\'"))
        for name, value in made.variables.items()
    ]
    return "\n".join([*_comments(made), *lines]) + "\n"


def _kubernetes(made: Provisioned, secret_name: str) -> str:
    """Return a Secret for `kubectl apply -f`; JSON strings are YAML strings."""
    lines = [
        *_comments(made),
        "apiVersion: v1",
        "kind: Secret",
        "metadata:",
        f"  name: {json.dumps(secret_name)}",
        "type: Opaque",
        "stringData:",
        *(f"  {name}: {json.dumps(value)}" for name, value in made.variables.items()),
    ]
    return "\n".join(lines) + "\n"


def _json(made: Provisioned, _: str) -> str:
    """Return one object of variables."""
    return json.dumps(dict(made.variables), indent=2) + "\n"


_FORMS = {Format.ENV: _env, Format.COMPOSE: _compose, Format.KUBERNETES: _kubernetes, Format.JSON: _json}


def _comments(made: Provisioned) -> list[str]:
    """Say which KEK it is, and what is still to be added."""
    return [
        f"# {made.provider} KEK {made.kek_id}",
        *(f"# {name} or {name}_FILE: from your secrets manager" for name in made.to_add),
    ]


def _plain(value: str) -> bool:
    return bool(value) and all(letter.isalnum() or letter in "+/=:._-@," for letter in value)
