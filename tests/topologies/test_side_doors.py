"""Record keys and headers: what may leave beside an encrypted value."""

from __future__ import annotations

import hashlib
import hmac

import pytest
import structlog

from aegis_stream.settings import Settings
from tests.support.records import record
from topologies.side_doors import KeyRule, SideDoors

KEY = bytes(range(32))


def test_a_pseudonym_is_the_hex_hmac_of_the_key() -> None:
    """Consumers join on it, so it must be the same for one key in every process, and written down."""
    doors = SideDoors(KeyRule.PSEUDONYM, KEY)
    expected = hmac.new(KEY, b"actor-1", hashlib.sha256).hexdigest().encode()
    assert doors.key(b"actor-1", []) == expected == doors.key(b"actor-1", [])
    assert doors.key(b"", []) == hmac.new(KEY, b"", hashlib.sha256).hexdigest().encode()
    assert doors.key(None, []) is None


def test_without_a_pseudonym_key_keys_are_dropped() -> None:
    """An operator who forgot the secret must not publish actor ids."""
    with structlog.testing.capture_logs() as logs:
        doors = SideDoors.from_settings(Settings(record_key="pseudonym"))
    assert "AEGIS_PSEUDONYM_KEY" in logs[0]["remedy"]
    assert doors.rule is KeyRule.DROP
    assert doors.key(b"actor-1", []) is None
    assert not doors.lets_keys_through


@pytest.mark.parametrize(("rule", "through"), [(KeyRule.PSEUDONYM, True), (KeyRule.KEEP, True), (KeyRule.DROP, False)])
def test_only_dropped_keys_stop_a_record_without_a_value(rule: KeyRule, through: bool) -> None:  # noqa: FBT001
    """Its key cannot be judged: the operator's choice to hash or keep keys covers it, dropping does not."""
    assert SideDoors(rule, KEY).lets_keys_through is through


def test_a_kept_key_that_holds_a_sensitive_string_is_dropped_and_counted() -> None:
    """A record keyed by actor_id would tell the actor although the field is encrypted."""
    doors = SideDoors(KeyRule.KEEP)
    assert doors.key(b"region-7", [b"alice"]) == b"region-7"
    assert doors.key(b"user:alice:1", [b"alice"]) is None
    assert doors.dropped == {"key": 1}


def test_headers_that_begin_like_ours_are_removed() -> None:
    """Otherwise a producer writes `aegis-source` and a reader believes it."""
    doors = SideDoors(KeyRule.DROP)
    kept = doors.headers([("aegis-source", b"x"), ("Aegis-Reason", b"y"), ("trace", b"t"), ("empty", None)], [])
    assert kept == [("trace", b"t"), ("empty", None)]
    assert doors.dropped == {"own-header": 2}


@pytest.mark.parametrize("header", [("who", b"by alice!"), ("alice", b"1"), ("alice", None)])
def test_a_header_that_holds_a_sensitive_string_is_dropped_and_counted(header: tuple[str, bytes | None]) -> None:
    """Name and value both leave."""
    doors = SideDoors(KeyRule.DROP)
    assert doors.headers([header, ("trace", b"t")], [b"alice"]) == [("trace", b"t")]
    assert doors.dropped == {"header": 1}


def test_only_headers_and_kept_keys_need_the_events_strings() -> None:
    """Collecting them costs time, so it is done for the events that need it."""
    plain, keyed, headed = record(b"{}"), record(b"{}", key=b"k"), record(b"{}", headers=[("a", b"b")])
    keep, hashed = SideDoors(KeyRule.KEEP), SideDoors(KeyRule.PSEUDONYM, KEY)
    assert [keep.to_judge(one) for one in (plain, keyed, headed)] == [False, True, True]
    assert [hashed.to_judge(one) for one in (plain, keyed, headed)] == [False, False, True]
    assert keep.any_to_judge([plain, keyed])
    assert not hashed.any_to_judge([plain, keyed])
    assert hashed.any_to_judge([plain, headed])
