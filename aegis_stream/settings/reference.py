"""The table of all variables, made from the model, so that no page can fall behind it."""

from __future__ import annotations

import difflib
import types
import typing
from typing import TYPE_CHECKING, Any, NamedTuple

from aegis_stream.settings.model import Settings
from aegis_stream.settings.source import extra, variable_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic.fields import FieldInfo


class Variable(NamedTuple):
    """One environment variable as the table shows it; `default` is empty where there is none."""

    name: str
    purpose: str
    default: str
    choices: tuple[str, ...]
    secret: bool
    file: bool


_KEK: tuple[tuple[str, str, bool], ...] = (
    ("AEGIS_KMS_KEY_ID", "AWS KMS: ARN or alias of the key", False),
    ("AEGIS_KMS_WRAPPED_PRIVATE_KEY", "AWS KMS: the KEK's private key, encrypted by KMS (base64)", True),
    ("AEGIS_KMS_ENCRYPTION_CONTEXT", "AWS KMS: JSON object that adds to the encryption context", False),
    (
        "AEGIS_KEK_CLEAR_ENVIRONMENT",
        "1 removes the variables of private keys from the process's environment once they are read",
        False,
    ),
    ("AEGIS_MASTER_KEK_PRIVATE", "environment: HybridKEM private key of the KEK (2,432 bytes, base64)", True),
    ("AEGIS_HSM_PKCS11_LIB", "HSM: path of the PKCS#11 library", False),
    ("AEGIS_HSM_TOKEN_LABEL", "HSM: label of the token", False),
    ("AEGIS_HSM_PIN", "HSM: user PIN", True),
    ("AEGIS_HSM_WRAPPING_KEY_LABEL", "HSM: label of the AES wrapping key", False),
    ("AEGIS_HSM_MECHANISM", "HSM: number of the KWP mechanism, where the token's own list misleads", False),
    ("AEGIS_HSM_POOL_SIZE", "HSM: sessions at a time, 4 without it", False),
    ("AEGIS_HSM_WRAPPED_PRIVATE_KEY", "HSM: the KEK's private key, wrapped by that key (base64)", True),
)
NEXT_PREFIX = "AEGIS_NEXT_"


def variables() -> tuple[Variable, ...]:
    """Return every variable in the order of the model, then those of the KEK providers.

    The latter are read by the providers themselves (`from_environment`), never into Settings: so a process that needs
    no KEK, as the enricher, does not hold one.  A second KEK during a rotation has the same names with AEGIS_NEXT_.
    """
    own = tuple(_variable(name, field) for name, field in Settings.model_fields.items())
    return own + tuple(Variable(name, purpose, "", (), secret, secret) for name, purpose, secret in _KEK)


def unknown_variables(names: Iterable[str]) -> dict[str, str]:
    """Return the AEGIS_ names that no part of the project reads, each with the nearest known name or an empty text."""
    known = {variable.name for variable in variables()}
    known |= {f"{variable.name}_FILE" for variable in variables() if variable.file}
    keks = [name for name, _, _ in _KEK] + ["AEGIS_MASTER_KEK_PUBLIC"]
    known |= {NEXT_PREFIX + name.removeprefix("AEGIS_") + end for name in keks for end in ("", "_FILE")}
    unknown = sorted(name for name in names if name.startswith("AEGIS_") and name not in known)
    return {name: (difflib.get_close_matches(name, known, n=1) or [""])[0] for name in unknown}


def markdown_table() -> str:
    """Return the table as Markdown, for README and docs; a test holds both against it."""
    lines = ["| Variable | Default | Purpose |", "|---|---|---|"]
    for variable in variables():
        name = f"`{variable.name}`" + (" [^file]" if variable.file else "")
        purpose = variable.purpose + (f" ({', '.join(variable.choices)})" if variable.choices else "")
        lines.append(f"| {name} | {f'`{variable.default}`' if variable.default else ''} | {purpose} |")
    return "\n".join(lines) + "\n"


def _variable(field_name: str, field: FieldInfo) -> Variable:
    notes = extra(field)
    default: Any = notes.get("default", "" if field.is_required() or field.default_factory else field.default)
    if isinstance(default, bool):
        default = "1" if default else "0"
    text = "" if default in (None, "", ()) else str(default)
    secret = bool(notes.get("secret"))
    choices = _choices(field.annotation)
    return Variable(
        variable_name(field_name, field),
        field.description or "",
        text,
        choices,
        secret,
        secret or bool(notes.get("file")),
    )


def _choices(annotation: object) -> tuple[str, ...]:
    """Return the texts of a Literal, also inside a union."""
    if typing.get_origin(annotation) is typing.Literal:
        return tuple(str(choice) for choice in typing.get_args(annotation))
    if typing.get_origin(annotation) is types.UnionType:
        return tuple(choice for part in typing.get_args(annotation) for choice in _choices(part))
    return ()
