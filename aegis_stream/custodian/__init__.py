"""Custodians: their keys, their signatures and the override events that they sign."""

from aegis_stream.custodian.bip322 import BIP322Provider, decode_simple, encode_simple
from aegis_stream.custodian.hybrid import HybridSignatureProvider
from aegis_stream.custodian.override import (
    CustodianKey,
    CustodianKeys,
    OverrideRefusedError,
    OverrideRequest,
    OverrideVerdict,
    verify_override,
)
from aegis_stream.custodian.override_enricher import OverrideMarker
from aegis_stream.custodian.provider import SignatureProvider, SigningKeypair, custodian_key_id

__all__ = [
    "BIP322Provider",
    "CustodianKey",
    "CustodianKeys",
    "HybridSignatureProvider",
    "OverrideMarker",
    "OverrideRefusedError",
    "OverrideRequest",
    "OverrideVerdict",
    "SignatureProvider",
    "SigningKeypair",
    "custodian_key_id",
    "decode_simple",
    "encode_simple",
    "verify_override",
]
