"""The two calls of the guide's simple flow, where the KEK's pair serves as the DEK's and there is no manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aegis_stream.encryption.keys import SingleDek
from aegis_stream.encryption.reader import PIIDecryptor
from aegis_stream.encryption.writer import PIIEncryptor
from aegis_stream.errors import ConfigurationError
from aegis_stream.hybrid import HybridPrivateKey

if TYPE_CHECKING:
    from aegis_stream.pii import Policy
    from aegis_stream.session_signer import SessionSigner
    from aegis_stream.wrapping import Decapsulator


def create_pii_enricher(
    *,
    public_key: bytes,
    dek_version: str,
    policy: Policy | None = None,
    signer: SessionSigner | None = None,
    max_output_bytes: int | None = None,
) -> PIIEncryptor:
    """Return what encrypts the sensitive fields of events: callable on one, `protect_batch` for many.

    public_key: HybridKEM, 1,216 bytes.  dek_version: `dek-v<n>-<YYYYMMDD>`.  policy: the twelve fields by default.
    signer: signs the sessions.  max_output_bytes: a longer encrypted event is rejected.
    Raises KeyRefusedError.
    """
    return PIIEncryptor(
        public_key=public_key,
        dek_version=dek_version,
        policy=policy,
        signer=signer,
        max_output_bytes=max_output_bytes,
    )


def create_pii_decryptor(
    *,
    kek: Decapsulator | None = None,
    private_key: bytes | None = None,
    dek_version: str,
    policy: Policy | None = None,
) -> PIIDecryptor:
    """Return what opens the events of one DEK version: callable on one, `open_batch` for many.

    Give a KEK provider or a HybridKEM private key (2,432 bytes).  Without a manifest no signature is judged.
    Raises ConfigurationError: both or neither was given; KeyRefusedError.
    """
    if (kek is None) == (private_key is None):
        raise ConfigurationError("a decryptor takes either a KEK provider or a private key")
    if private_key is not None:
        key = HybridPrivateKey.from_bytes(private_key)
        decapsulate, public_key = key.decapsulate, key.public
    elif kek is not None:
        decapsulate, public_key = kek.decapsulate, kek.get_public_key()
    return PIIDecryptor(
        SingleDek(dek_version=dek_version, public_key=public_key, decapsulate=decapsulate, policy=policy)
    )
