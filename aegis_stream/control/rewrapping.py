"""Wrap a DEK's private key under another KEK, and make sure of it before anybody relies on it.

Needs both KEKs, so it runs where an operator lets them be together.  Nothing is written here.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from aegis_stream.errors import KEKError, KEKReason, KeyRefusedError
from aegis_stream.keyring.entries import DekState
from aegis_stream.wrapping import unwrap_dek, wrap_dek

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aegis_stream.hybrid import HybridPrivateKey
    from aegis_stream.kek import KEKProvider
    from aegis_stream.keyring.dek_record import DekRecord
    from aegis_stream.keyring.manifest import Manifest


def open_deks(manifest: Manifest, records: Mapping[str, DekRecord]) -> tuple[DekRecord, ...]:
    """Return the records of all DEKs that are not destroyed.

    Raises KEKError(BAD_BLOB): one has not been read, so nobody can say under which KEKs it is wrapped.
    """
    wanted = [entry.version.text for entry in manifest.deks if entry.state is not DekState.DESTROYED]
    lost = [version for version in wanted if version not in records]
    if lost:
        raise KEKError(
            KEKReason.BAD_BLOB,
            f"the control topic has no record of {', '.join(lost)}",
            remedy="`aegis keys restore` puts it back",
        )
    return tuple(records[version] for version in wanted)


def rewrap_dek(record: DekRecord, *, held: Sequence[KEKProvider], new: KEKProvider) -> bytes | None:
    """Return a DEK's private key wrapped under `new` (3,582 bytes), None where the record has a good wrap already.

    The key is unwrapped by one of the KEKs in `held`, wrapped, unwrapped again by `new`, and both are compared.

    Raises KEKError: WRONG_KEY, no KEK in `held` opens it; MISMATCH, `new` does not open what was wrapped under its own
    public key; and what the providers raise.  KeyRefusedError: the wrap that is there is damaged.
    """
    if opens(record, new):
        return None
    private = _unwrapped(record, held)
    version = record.version.text
    wrapped = wrap_dek(private, dek_version=version, kek_public_key=new.get_public_key())
    again: HybridPrivateKey | None = None
    try:
        again = unwrap_dek(wrapped, dek_version=version, dek_public_key=record.public_key, kek=new)
    except KeyRefusedError:
        again = None
    if again is None or not hmac.compare_digest(again.export(), private.export()):
        raise KEKError(
            KEKReason.MISMATCH,
            f"{version}: the {new.name} KEK {new.kek_id} does not open what was wrapped under it",
            remedy="its public and its private key come from different provisionings; nothing was published",
        )
    return wrapped


def opens(record: DekRecord, kek: KEKProvider) -> bool:
    """Tell whether a record has a wrap under this KEK that the KEK opens.  Raises KEKError: its keeper is away."""
    wrapped = record.wraps.get(kek.kek_id)
    if wrapped is None:
        return False
    try:
        unwrap_dek(wrapped, dek_version=record.version.text, dek_public_key=record.public_key, kek=kek)
    except KeyRefusedError:
        return False
    return True


def _unwrapped(record: DekRecord, held: Sequence[KEKProvider]) -> HybridPrivateKey:
    failure: KeyRefusedError | None = None
    for kek in held:
        wrapped = record.wraps.get(kek.kek_id)
        if wrapped is None:
            continue
        try:
            return unwrap_dek(wrapped, dek_version=record.version.text, dek_public_key=record.public_key, kek=kek)
        except KeyRefusedError as error:
            failure = error
    if failure is not None:
        raise failure
    raise KEKError(
        KEKReason.WRONG_KEY,
        f"{record.version} is wrapped under {', '.join(sorted(record.wraps)) or 'no KEK'}, and this process holds "
        f"{', '.join(kek.kek_id for kek in held)}",
        remedy="give this process the KEK that opens it, in the variables AEGIS_…",
    )
