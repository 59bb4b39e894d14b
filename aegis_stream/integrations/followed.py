"""A deployment's keys for clients without asyncio: the control topic is followed in a thread.

What is followed, judged and cached is what `open_consumer` and the enricher use; see docs/control-topic.md.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple, Self

from aegis_stream.client.control import control_follower
from aegis_stream.client.opening import Opening
from aegis_stream.client.reading import open_decryptor
from aegis_stream.encryption import Rejected, Unreadable
from aegis_stream.errors import EventRefusedError, EventUnreadableError, KeyringStaleError, ReadReason
from aegis_stream.integrations.background import Background
from aegis_stream.session_signer import SessionSigner
from topologies.writers import KeyringWriters, library_encryptor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from aegis_stream.client.follow import ControlFollower
    from aegis_stream.encryption import Opened, PIIDecryptor
    from aegis_stream.errors import AegisError
    from aegis_stream.kek import KEKProvider
    from aegis_stream.keyring.view import View
    from aegis_stream.settings import Settings
    from topologies.writer import BatchEncryptor

_ANY_SIZE = 2**31 - 1
"""Kafka's own bound for a record; what the topic takes is for the producer that writes to it to say."""


class _Reading(NamedTuple):
    decryptor: PIIDecryptor
    opening: Opening


class FollowedKeys:
    """A deployment's reading keys, for `EventDeserializer`: `with FollowedKeys(load_settings()) as keys:`.

    Safe to use from several threads.
    """

    def __init__(self, settings: Settings, *, keks: Sequence[KEKProvider] | None = None) -> None:
        """Connect nothing yet.  keks: by default what the environment configures, see `open_consumer`."""
        self._settings = settings
        self._keks = keks
        self._background = Background(self._reading, name="aegis: reading keys")
        self._held: _Reading | None = None

    def __enter__(self) -> Self:
        """Read the control topic to its end, then stay on it.

        Raises BrokerError, ManifestRefusedError, KEKError, ConfigurationError.
        """
        self._held = self._background.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop following."""
        self._held = None
        self._background.stop()

    def open(self, value: bytes) -> Opened:
        """Open one event.  A version that is not known costs one look at the control topic.

        Raises EventUnreadableError, KeyringStaleError, KEKError, BrokerUnavailableError (the control topic cannot be
        read to its end, so nobody knows whether the event is to be refused).
        """
        if self._held is None:
            msg = "these keys are not followed; use `with`"
            raise RuntimeError(msg)
        (result,) = self._held.decryptor.open_batch([value])
        if isinstance(result, Unreadable) and result.reason is ReadReason.DEK_UNKNOWN:
            (result,) = self._background.run(self._held.opening.results([value]))
        return whole(result)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[_Reading]:
        async with open_decryptor(self._settings, keks=self._keks) as (decryptor, refresh_keys):
            wait_s = self._settings.control_wait_s
            yield _Reading(decryptor, Opening(decryptor, refresh_keys=refresh_keys, wait_s=wait_s))


class _FollowerKeys:
    """A follower as `KeyringWriters` wants it."""

    def __init__(self, follower: ControlFollower) -> None:
        self._follower = follower

    @property
    def view(self) -> View:
        return self._follower.keyring.view

    @property
    def at_end(self) -> bool:
        return self._follower.at_end

    @property
    def problem(self) -> AegisError | None:
        return self._follower.problem or self._follower.keyring.last_refusal


class FollowedWriter:
    """A deployment's active DEK, for `EventSerializer`: `with FollowedWriter(load_settings()) as writer:`.

    For a producer that writes to the encrypted topic by itself, without an enricher: it needs a session-signing key
    that is enrolled.  Its events carry no source, so readers take each as new.  Safe to use from several threads.
    """

    def __init__(self, settings: Settings) -> None:
        """Connect nothing yet."""
        self._settings = settings
        self._background = Background(self._writing, name="aegis: writing keys")
        self._writers: KeyringWriters | None = None

    def __enter__(self) -> Self:
        """Read the control topic to its end, then stay on it.

        Raises BrokerError, ManifestRefusedError, ConfigurationError, KeyRefusedError.
        """
        self._writers = self._background.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop following."""
        self._writers = None
        self._background.stop()

    def protect(self, raw: bytes) -> bytes:
        """Encrypt one event under the version that is active now.

        Raises EventRefusedError; KeyringStaleError: nothing may be written at present, and the message says why.
        """
        if self._writers is None:
            msg = "these keys are not followed; use `with`"
            raise RuntimeError(msg)
        writer = self._writers.current()
        if writer is None:
            raise KeyringStaleError(f"nothing may be encrypted now: {self._writers.state}")
        return protected_with(writer.encryptor, raw)

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[KeyringWriters]:
        settings = self._settings
        make_encryptor = library_encryptor(settings.engine)
        seed = settings.session_signing_key
        signer = None if seed is None else SessionSigner.from_seed(seed.get_secret_value())
        async with control_follower(settings, purpose="writer", writes=True) as follower:
            await follower.wait_ready(settings.control_wait_s)
            yield KeyringWriters(
                _FollowerKeys(follower), signer=signer, max_output_bytes=_ANY_SIZE, make_encryptor=make_encryptor
            )


def opened_with(decryptor: PIIDecryptor, value: bytes) -> Opened:
    """Open one event with keys that nobody follows.  Raises EventUnreadableError."""
    (result,) = decryptor.open_batch([value])
    return whole(result)


def protected_with(encryptor: BatchEncryptor, raw: bytes) -> bytes:
    """Encrypt one event under one version.  Raises EventRefusedError."""
    (result,) = encryptor.protect_batch([raw])
    if isinstance(result, Rejected):
        raise EventRefusedError(result.reason, result.path)
    return result.value


def whole(result: Opened | Unreadable) -> Opened:
    """Return an opened event.  Raises EventUnreadableError for one that is refused."""
    if isinstance(result, Unreadable):
        raise EventUnreadableError(result.reason, result.path, dek_version=result.dek_version)
    return result
