"""Secrets from files: AEGIS_X_FILE names the file that holds what AEGIS_X would."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_settings import PydanticBaseSettingsSource

from aegis_stream.errors import ConfigurationError
from aegis_stream.secret_files import read_public_file, read_secret_file

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


def variable_name(field_name: str, field: FieldInfo) -> str:
    """Return the variable of a field: its alias, or AEGIS_ and its name in capitals."""
    return field.validation_alias if isinstance(field.validation_alias, str) else f"AEGIS_{field_name.upper()}"


def extra(field: FieldInfo) -> dict[str, Any]:
    """Return what the model notes about a field: `secret`, `file` or nothing."""
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


class SecretFileSource(PydanticBaseSettingsSource):
    """Values of secret and long settings from the files that AEGIS_…_FILE variables name.

    A secret's file must be unreachable for others (secret_files.py); a public key's may have any mode.  A setting
    given both ways is refused, for nobody could say which of the two was meant.
    """

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return (text or None, the field's name, False: never JSON)."""
        notes = extra(field)
        name = variable_name(field_name, field)
        file_name = os.environ.get(f"{name}_FILE", "")
        if not file_name or not (notes.get("secret") or notes.get("file")):
            return None, field_name, False
        if os.environ.get(name):
            raise ConfigurationError(f"{name} and {name}_FILE are both set", remedy="keep one of them")
        path = Path(file_name)
        if notes.get("secret"):
            return read_secret_file(path, name=f"{name}_FILE"), field_name, False
        return read_public_file(path, name=f"{name}_FILE"), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return every field that a file gives."""
        found: dict[str, Any] = {}
        for field_name, field in self.settings_cls.model_fields.items():
            value, key, _ = self.get_field_value(field, field_name)
            if value is not None:
                found[key] = value
        return found
