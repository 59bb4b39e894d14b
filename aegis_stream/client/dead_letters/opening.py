"""Open dead letters, which takes a KEK: it unwraps the DEK that they are sealed to."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aegis_stream.client.control import control_follower
from aegis_stream.errors import KeyRefusedError, LetterReason, LetterRefusedError, ReadReason
from aegis_stream.kek import wait_for_keks
from aegis_stream.keyring.reader_keys import ReaderKeys
from aegis_stream.sealing import open_record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    from aegis_stream.client.dead_letters.letter import Letter
    from aegis_stream.encryption import DekSource
    from aegis_stream.kek import KEKProvider
    from aegis_stream.sealing import OpenedRecord
    from aegis_stream.settings import Settings


class LetterKeys:
    """Opens sealed records with the keys of a reader."""

    def __init__(self, keys: DekSource) -> None:
        """Take where the keys come from."""
        self._keys = keys

    def open(self, letter: Letter, sealed: bytes) -> OpenedRecord:
        """Open one sealed record.

        Raises LetterRefusedError: its DEK is unknown, revoked, destroyed or below the minimum, or it does not open.
        KEKError, KeyringStaleError as a reader's keys.
        """
        key = self._keys.reading_key(letter.dek_version)
        if isinstance(key, ReadReason):
            raise LetterRefusedError(
                LetterReason(key.value),
                f"{letter.id} is sealed to {letter.dek_version}: {key.value}",
                remedy="--dek-version names a revoked DEK that may be used" if key is ReadReason.DEK_REVOKED else "",
            )
        opened: OpenedRecord | None = None
        try:
            opened = open_record(
                sealed,
                decapsulate=key.decapsulate,
                dek_public_key=key.public_key,
                dek_version=letter.dek_version,
                source=letter.source,
                reason=letter.reason,
            )
        except KeyRefusedError:
            opened = None
        if opened is None:
            raise LetterRefusedError(
                LetterReason.SEALED,
                f"{letter.id} does not open: it was changed, or no enricher has sealed it",
                remedy="`aegis dead-letters discard` puts it aside",
            )
        return opened

    async def open_all(self, sealed: Sequence[tuple[Letter, bytes | None]]) -> list[OpenedRecord | LetterRefusedError]:
        """Open letters off the event loop, one answer each; None is one that the topic no longer holds.

        Raises KEKError, KeyringStaleError: no answer can be had now.
        """

        def each(letter: Letter, value: bytes | None) -> OpenedRecord | LetterRefusedError:
            if value is None:
                return LetterRefusedError(LetterReason.GONE, f"{letter.id}: the topic no longer holds it")
            try:
                return self.open(letter, value)
            except LetterRefusedError as refusal:
                return refusal

        return await asyncio.to_thread(lambda: [each(letter, value) for letter, value in sealed])


@asynccontextmanager
async def letter_keys(
    settings: Settings, *, keks: Sequence[KEKProvider] | None = None, audit_versions: Collection[str] = ()
) -> AsyncIterator[LetterKeys]:
    """Follow the control topic and yield what opens letters; the KEKs are by default those of the environment.

    audit_versions: DEK versions that are used although they are revoked.
    Raises BrokerError, ManifestRefusedError, KEKError, ConfigurationError.
    """
    held = await wait_for_keks() if keks is None else keks
    async with control_follower(settings, purpose="reader") as follower:
        await follower.wait_ready(settings.control_wait_s)
        yield LetterKeys(ReaderKeys(follower.keyring, held, audit_versions=audit_versions))
