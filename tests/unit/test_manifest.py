"""The manifest and DEK records: their JSON, and what can never stand in them."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from aegis_stream.errors import ManifestReason, ManifestRefusedError
from aegis_stream.hybrid import HybridPrivateKey
from aegis_stream.keyring.dek_record import DekRecord, record_sha256
from aegis_stream.keyring.entries import (
    DekState,
    KeyState,
)
from aegis_stream.keyring.manifest import Manifest
from aegis_stream.keyring.strict_json import parse_time, time_text
from aegis_stream.wire import DekVersion
from aegis_stream.wrapping import unwrap_dek
from tests.support.keyrings import (
    KEK_PAIR,
    OTHER_KEK_PAIR,
    Deployment,
    PlainKek,
)
from tests.support.manifests import FULL, KEK_NAME, RECORD, REFUSED, REFUSED_RECORDS, changed, changed_record

if TYPE_CHECKING:
    from collections.abc import Callable


def test_manifest_goes_round() -> None:
    """Nothing that the agent says is lost on the way to a follower."""
    assert Manifest.from_payload(FULL.to_payload()) == FULL


def test_minimal_manifest_goes_round() -> None:
    """Custodians, enrichers and the recovery key are optional."""
    manifest = replace(Deployment().manifest, enrichers=())
    assert Manifest.from_payload(manifest.to_payload()) == manifest
    assert b"recovery_key" not in manifest.to_payload()


@pytest.mark.parametrize(("path", "value"), REFUSED.values(), ids=REFUSED.keys())
def test_reader_refuses_what_no_manifest_may_say(path: str, value: object) -> None:
    """The agent's key signs what the agent meant; a defect of the agent must not reach the followers."""
    with pytest.raises(ManifestRefusedError) as refused:
        Manifest.from_payload(changed(path, value))
    assert refused.value.reason == ManifestReason.PAYLOAD
    assert refused.value.__context__ is None


def test_unchanged_json_is_read() -> None:
    """So that the table above refuses for the change alone."""
    assert Manifest.from_payload(changed("v", 1)) == FULL


def test_states_have_an_order() -> None:
    """The order of the text is the order of life."""
    assert sorted(DekState, key=lambda state: state.rank) == [
        DekState.ACTIVE,
        DekState.DECRYPT_ONLY,
        DekState.REVOKED,
        DekState.DESTROYED,
    ]
    assert KeyState.CURRENT.rank < KeyState.RETIRED.rank < KeyState.REVOKED.rank


@pytest.mark.parametrize("text", ["2026-03-01T12:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_times_go_round(text: str) -> None:
    """Years before 1000 keep their zeroes."""
    when = parse_time(text)
    assert when is not None
    assert time_text(when) == text


def test_times_are_written_in_utc() -> None:
    """A clock with an offset must not shift what is signed."""
    east = dt.timezone(dt.timedelta(hours=2))
    assert time_text(dt.datetime(2026, 3, 1, 14, 0, 0, 999, tzinfo=east)) == "2026-03-01T12:00:00Z"


def test_dek_record_goes_round_and_opens() -> None:
    """The record is the only place where a DEK's private key is kept."""
    version = DekVersion.parse("dek-v3-20260301")
    record = DekRecord.generate(version, [KEK_PAIR.public, OTHER_KEK_PAIR.public])
    value = record.to_bytes()
    assert DekRecord.from_bytes(value) == record
    assert record.sha256 == record_sha256(value)
    assert record.key == "dek/dek-v3-20260301"
    for kek in (PlainKek(), PlainKek(OTHER_KEK_PAIR)):
        private = unwrap_dek(
            record.wraps[kek.kek_id], dek_version=version.text, dek_public_key=record.public_key, kek=kek
        )
        assert isinstance(private, HybridPrivateKey)
        assert private.public == record.public_key


def test_destroyed_record_keeps_its_public_key_alone() -> None:
    """Crypto-shredding drops every wrap, and the record still says which key it was."""
    record = replace(DekRecord.generate(DekVersion.parse("dek-v3-20260301"), [KEK_PAIR.public]), wraps={})
    assert DekRecord.from_bytes(record.to_bytes()) == record


@pytest.mark.parametrize("members", REFUSED_RECORDS.values(), ids=REFUSED_RECORDS.keys())
def test_malformed_dek_records_are_refused(members: dict[str, Any]) -> None:
    """Even a record that the manifest names is read strictly."""
    with pytest.raises(ManifestRefusedError) as refused:
        DekRecord.from_bytes(changed_record(members))
    assert refused.value.reason == ManifestReason.PAYLOAD


def test_reprs_show_no_wrapped_keys() -> None:
    """What is wrapped is still nobody's business in a log."""
    record = DekRecord.from_bytes(json.dumps(RECORD).encode())
    assert RECORD["wraps"][KEK_NAME][:40] not in repr(record)
    assert str(record.wraps[KEK_NAME][:8])[2:-1] not in repr(record)


def test_construction_checks_as_reading_does() -> None:
    """The agent cannot make what followers would refuse."""
    manifest = Deployment().manifest
    broken: list[Callable[[], Manifest]] = [
        lambda: replace(manifest, deks=()),
        lambda: replace(manifest, policies=()),
        lambda: replace(manifest, keks=()),
        lambda: replace(manifest, agents=()),
        lambda: replace(manifest, sequence=0),
        lambda: replace(manifest, deployment=""),
    ]
    for make in broken:
        with pytest.raises(ManifestRefusedError) as refused:
            make()
        assert refused.value.reason == ManifestReason.PAYLOAD
