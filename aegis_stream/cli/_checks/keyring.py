"""The control topic: whether there is a manifest to rely on, and whether this process's keys are in it."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING

from aegis_stream.cli._checks.check import Check, Role, Status, failed, guarded
from aegis_stream.client.connection import connection_kwargs
from aegis_stream.client.follow import ControlFollower
from aegis_stream.errors import AegisError, ManifestReason
from aegis_stream.keyring.entries import KeyState
from aegis_stream.keyring.keyring import Keyring
from aegis_stream.keyring.reader_keys import ReaderKeys
from aegis_stream.keyring.strict_json import time_text
from aegis_stream.keyring.view import Freshness
from aegis_stream.session_signer import SessionSigner
from aegis_stream.signature import AgentSigner, agent_key_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aegis_stream.kek import KEKProvider
    from aegis_stream.keyring.manifest import Manifest
    from aegis_stream.settings import Settings

_AREA = "control"
_READ_S = 15.0
_SKEW_S = 5


def look_at_keyring(settings: Settings, role: Role | None, keks: Sequence[KEKProvider]) -> Iterator[Check]:
    """Yield the rows; the manifest is read, never written, and no state file is touched."""
    try:
        keyring, manifest = asyncio.run(_read(settings))
    except AegisError as error:
        yield failed("clock" if error.reason == ManifestReason.NOT_YET_VALID else _AREA, "manifest", error)
        return
    now = dt.datetime.now(dt.UTC)
    yield _freshness(keyring, manifest, now)
    yield from _skew(manifest, now)
    yield from _refusals(keyring)
    yield from guarded(_AREA, "active DEK", lambda: _active(keyring, manifest, keks))
    if role in {None, Role.ENRICHER}:
        yield from guarded(_AREA, "session key", lambda: _session_key(settings, manifest, role))
    if role in {None, Role.ROTATOR}:
        yield from guarded(_AREA, "agent key", lambda: _agent_key(settings, manifest, role))


async def _read(settings: Settings) -> tuple[Keyring, Manifest]:
    keyring = Keyring(
        deployment=settings.deployment,
        agent_keys=settings.agent_public_keys,
        grace_s=settings.manifest_grace_s,
        accept_expired=True,
    )
    connection = connection_kwargs(settings)
    async with ControlFollower(keyring, connection=connection, topic=settings.topic_control) as follower:
        return keyring, await follower.wait_manifest(_READ_S)


def _freshness(keyring: Keyring, manifest: Manifest, now: dt.datetime) -> Check:
    until = f"sequence {manifest.sequence}, until {time_text(manifest.expires_at)}"
    freshness = keyring.freshness(now)
    if freshness is Freshness.FRESH:
        return Check(_AREA, "manifest", Status.OK, until)
    return Check(
        _AREA,
        "manifest",
        Status.FAILED,
        f"expired: {until}",
        "see that the rotation agent runs (`aegis run rotator`); a process that starts now waits for it",
    )


def _skew(manifest: Manifest, now: dt.datetime) -> Iterator[Check]:
    """Compare the clock with the agent's, as far as one signed time shows it."""
    ahead_s = (manifest.issued_at - now).total_seconds()
    if ahead_s > _SKEW_S:
        found = f"the manifest was issued {ahead_s:.0f} s in the future"
        yield Check("clock", "agent's clock", Status.WARNING, found, "set both clocks by NTP; 300 s are tolerated")
    else:
        yield Check("clock", "agent's clock", Status.OK, "not ahead of this one")


def _refusals(keyring: Keyring) -> Iterator[Check]:
    counts = ", ".join(f"{count} {reason.value}" for reason, count in sorted(keyring.refused.items()) if count)
    if counts:
        yield Check(
            _AREA, "refused records", Status.WARNING, counts, "somebody else writes to the control topic: see its ACLs"
        )


def _active(keyring: Keyring, manifest: Manifest, keks: Sequence[KEKProvider]) -> Iterator[Check]:
    """Open the active DEK with the KEKs that work, as a reader does."""
    version = manifest.active.version.text
    if keyring.active() is None:
        yield Check(_AREA, "active DEK", Status.FAILED, f"the record of {version} is not there", "`aegis keys list`")
    elif not keks:
        yield Check(_AREA, "active DEK", Status.OK, f"{version} (no KEK here to open it)")
    else:
        opened = ReaderKeys(keyring, keks, audit_versions=[version]).reading_key(version)
        if isinstance(opened, str):
            yield Check(_AREA, "active DEK", Status.FAILED, f"{version}: {opened}", "`aegis keys list` shows its state")
        else:
            yield Check(_AREA, "active DEK", Status.OK, f"{version}, opened by this KEK")


def _session_key(settings: Settings, manifest: Manifest, role: Role | None) -> Iterator[Check]:
    """Look whether the enricher's key is enrolled: readers refuse what it signs otherwise."""
    if settings.session_signing_key is None:
        if role is Role.ENRICHER:
            yield Check(
                _AREA,
                "session key",
                Status.FAILED,
                "AEGIS_SESSION_SIGNING_KEY is not set",
                "set it, or its _FILE, to the key that `aegis keys init` made for this enricher",
            )
        return
    key_id = SessionSigner.from_seed(settings.session_signing_key.get_secret_value()).key_id
    state = next((entry.state for entry in manifest.enrichers if entry.id == key_id), None)
    if state is KeyState.CURRENT:
        yield Check(_AREA, "session key", Status.OK, f"{key_id} is enrolled")
    else:
        found = f"{key_id} is {'not enrolled' if state is None else state.value}"
        yield Check(_AREA, "session key", Status.FAILED, found, "enrol it (two custodians sign)")


def _agent_key(settings: Settings, manifest: Manifest, role: Role | None) -> Iterator[Check]:
    """Look whether the agent's signing key is the one that followers trust."""
    if settings.agent_signing_key is None:
        if role is Role.ROTATOR:
            yield Check(
                _AREA,
                "agent key",
                Status.FAILED,
                "AEGIS_AGENT_SIGNING_KEY is not set",
                "set it, or its _FILE, to the key that `aegis keys init` made",
            )
        return
    key_id = agent_key_id(AgentSigner.from_seed(settings.agent_signing_key.get_secret_value()).public)
    state = manifest.agent_state(key_id)
    if state is KeyState.CURRENT:
        yield Check(_AREA, "agent key", Status.OK, "is the manifest's")
    else:
        found = "is not in the manifest" if state is None else f"is {state.value}"
        yield Check(_AREA, "agent key", Status.FAILED, found, "use the agent key of this deployment")
