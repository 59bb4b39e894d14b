"""The encryption context of KMS: it binds a wrapped private key to its KEK id, and to what a deployment adds."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from aegis_stream.errors import ConfigurationError
from aegis_stream.kek.variables import KMS_ENCRYPTION_CONTEXT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aegis_stream.kek.variables import Variables

KEK_ID_CONTEXT = "aegis-kek-id"


def context_of(kek_id: str, more: Mapping[str, str] | None) -> dict[str, str]:
    """Return the encryption context of a KEK: its id, and what a deployment adds.

    Raises ConfigurationError: the addition names the id itself.
    """
    if more is not None and KEK_ID_CONTEXT in more:
        raise ConfigurationError(f"the encryption context must not set {KEK_ID_CONTEXT} itself")
    return {KEK_ID_CONTEXT: kek_id, **(more or {})}


def read_context(variables: Variables) -> dict[str, str]:
    """Return the JSON object of strings in AEGIS_KMS_ENCRYPTION_CONTEXT, or nothing.  Raises ConfigurationError."""
    if not variables.present(KMS_ENCRYPTION_CONTEXT):
        return {}
    context: object = None
    with suppress(ValueError):
        context = json.loads(variables.text(KMS_ENCRYPTION_CONTEXT))
    if not isinstance(context, dict) or not all(isinstance(value, str) for value in context.values()):
        raise ConfigurationError(
            f"{variables.name(KMS_ENCRYPTION_CONTEXT)} is not a JSON object of strings",
            remedy='for example {"deployment": "payments"}',
        )
    return context


def write_context(more: Mapping[str, str]) -> str:
    """Return the text of AEGIS_KMS_ENCRYPTION_CONTEXT."""
    return json.dumps(dict(more))
