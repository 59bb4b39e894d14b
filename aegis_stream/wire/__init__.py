"""Bytes and texts of the format: no keys, no decisions.  Normative: docs/wire-format.md."""

from aegis_stream.wire.primitives import ALG, LP_MAX, b64decode, b64encode, lp, lp32
from aegis_stream.wire.versions import DekVersion, kek_id, signer_id

__all__ = ["ALG", "LP_MAX", "DekVersion", "b64decode", "b64encode", "kek_id", "lp", "lp32", "signer_id"]
