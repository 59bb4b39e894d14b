"""Odd values that must be taken: imitations of fields, sensitive fields of any type, event ids of any kind."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from aegis_stream.encryption import (
    Opened,
    PIIDecryptor,
    PIIEncryptor,
    Protected,
    Unreadable,
    create_pii_decryptor,
    create_pii_enricher,
)
from aegis_stream.errors import ReadReason
from aegis_stream.hybrid import HybridKEM, HybridKeypair

VERSION = "dek-v1-20260101"


@pytest.fixture(scope="module")
def pair() -> HybridKeypair:
    """Make one key pair for all."""
    return HybridKEM.generate_keypair()


@pytest.fixture(scope="module")
def writer(pair: HybridKeypair) -> PIIEncryptor:
    """Make an encryptor under the default policy."""
    return create_pii_enricher(public_key=pair.public, dek_version=VERSION)


@pytest.fixture(scope="module")
def reader(pair: HybridKeypair) -> PIIDecryptor:
    """Make the decryptor that belongs to it."""
    return create_pii_decryptor(private_key=pair.private, dek_version=VERSION)


def protect(writer: PIIEncryptor, raw: bytes) -> bytes:
    """Protect an event that is taken."""
    (result,) = writer.protect_batch([raw])
    assert isinstance(result, Protected)
    return result.value


def opened(reader: PIIDecryptor, raw: bytes) -> dict[str, Any]:
    """Open an event that is taken."""
    (result,) = reader.open_batch([raw])
    assert isinstance(result, Opened)
    return result.event


@pytest.mark.parametrize(
    "value",
    [
        {"_encrypted": True},
        {"_ciphertext": None},
        {"_encrypted": False, "actor_id": "inside"},
        {
            "_encrypted": True,
            "_algorithm": "x25519+ml-kem-768+aes-256-gcm",
            "_dek_version": VERSION,
            "_ciphertext": "EXM" + "A" * 61,
            "_plaintext_hash": "0" * 64,
            "_encrypted_at": "2026-01-01T00:00:00Z",
        },
    ],
)
@pytest.mark.parametrize("place", ["actor_id", "public", "array"])
def test_an_imitation_is_encrypted_like_any_value(
    writer: PIIEncryptor, reader: PIIDecryptor, value: dict[str, Any], place: str
) -> None:
    """A producer cannot make a reader believe that a value was encrypted, nor smuggle one past the writer."""
    event = {"event_id": "e", place: [1, value] if place == "array" else value}
    protected = protect(writer, orjson.dumps(event))
    assert orjson.dumps(value) not in protected
    assert opened(reader, protected) == event


@pytest.mark.parametrize("value", [None, True, 0, -1.5, "", [], {}, [["a"]], {"actor_id": "x"}, 2**64 - 1])
def test_a_sensitive_field_may_have_any_type(writer: PIIEncryptor, reader: PIIDecryptor, value: object) -> None:
    """Producers change types; what is sensitive stays sensitive, and comes back as it was."""
    event = {"event_id": "e", "actor_id": value}
    protected = orjson.loads(protect(writer, orjson.dumps(event)))
    assert protected["actor_id"]["_encrypted"] is True
    back = opened(reader, orjson.dumps(protected))["actor_id"]
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize("event_id", ["", "e" * 65_535, 7, 1.5, None, True, [], {"a": 1}, ...])
def test_any_event_id_that_fits_is_taken(writer: PIIEncryptor, reader: PIIDecryptor, event_id: object) -> None:
    """Missing, empty, a number: the event is protected and bound to what it has."""
    event = {"actor_id": "alice"} if event_id is ... else {"event_id": event_id, "actor_id": "alice"}
    assert opened(reader, protect(writer, orjson.dumps(event))) == event


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        ("a", "b", True),
        ("a", "", True),
        ("a", 1, True),
        ("a", ..., True),
        ("", ..., True),
        (1, "1", True),
        (1, ..., True),
        (..., "", True),
        (..., None, True),
        (1, 2, False),
        (1, None, False),
    ],
)
def test_an_event_id_is_bound_by_its_kind(
    writer: PIIEncryptor,
    reader: PIIDecryptor,
    before: object,
    after: object,
    refused: bool,  # noqa: FBT001 -- a table
) -> None:
    """A string is bound as it is, no string only as such, absence as absence."""
    event = {"actor_id": "alice"} if before is ... else {"event_id": before, "actor_id": "alice"}
    protected = orjson.loads(protect(writer, orjson.dumps(event)))
    protected.pop("event_id", None)
    if after is not ...:
        protected["event_id"] = after
    (result,) = reader.open_batch([orjson.dumps(protected)])
    if refused:
        assert result == Unreadable(ReadReason.TAG, "/actor_id", VERSION)
    else:
        assert isinstance(result, Opened)
