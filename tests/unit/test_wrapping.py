"""DEK private keys under a KEK, and sealed records under a DEK: what is bound, and that any change is refused."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from aegis_stream.errors import KeyReason, KeyRefusedError, TooLongError, WriteReason
from aegis_stream.hybrid import HybridKEM, HybridPrivateKey, HybridPublicKey
from aegis_stream.sealing import OpenedRecord, SourceRecord, open_record, seal_record
from aegis_stream.wire import kek_id
from aegis_stream.wrapping import WRAPPED_BYTES, unwrap_dek, wrap_dek

VERSION = "dek-v7-20260101"
SOURCE = SourceRecord("aegis.raw", 3, 17)


@dataclass
class Kek:
    """A KEK in memory, with the two methods that unwrapping needs."""

    key: HybridPrivateKey

    def get_public_key(self) -> bytes:
        return self.key.public

    def decapsulate(self, encapsulation: bytes) -> bytes:
        return self.key.decapsulate(encapsulation)


KEK = Kek(HybridPrivateKey.from_bytes(HybridKEM.generate_keypair().private))
DEK = HybridPrivateKey.from_bytes(HybridKEM.generate_keypair().private)
WRAPPED = wrap_dek(DEK, dek_version=VERSION, kek_public_key=KEK.key.public)


def unwrap(wrapped: bytes = WRAPPED, *, version: str = VERSION, public: bytes = DEK.public, kek: Kek = KEK) -> bytes:
    """Unwrap and export."""
    return unwrap_dek(wrapped, dek_version=version, dek_public_key=public, kek=kek).export()


def test_a_wrapped_key_comes_back() -> None:
    """Two wraps of one key differ, and both open."""
    again = wrap_dek(DEK, dek_version=VERSION, kek_public_key=KEK.key.public)
    assert len(WRAPPED) == WRAPPED_BYTES == 3582
    assert again != WRAPPED
    assert unwrap() == unwrap(again) == DEK.export()


@pytest.mark.parametrize("at", [0, 1, 2, 1089, 1121, 1122, 1133, 1134, 3565, 3566, 3581])
def test_a_changed_wrap_is_refused(at: int) -> None:
    """One byte in each part."""
    changed = bytearray(WRAPPED)
    changed[at] ^= 1
    with pytest.raises(KeyRefusedError) as refused:
        unwrap(bytes(changed))
    assert refused.value.reason in {KeyReason.UNWRAP, KeyReason.ENCAPSULATION}


@pytest.mark.parametrize("length", [0, 2, 3581, 3583])
def test_a_wrap_of_another_length_is_refused(length: int) -> None:
    """Truncated and padded records alike."""
    with pytest.raises(KeyRefusedError) as refused:
        unwrap((WRAPPED + b"\x00")[:length])
    assert refused.value.reason == KeyReason.LENGTH


def test_a_wrap_opens_for_its_own_version_dek_and_kek_only() -> None:
    """The AAD binds all three, so records cannot be exchanged on the topic."""
    foreign = Kek(HybridPrivateKey.from_bytes(HybridKEM.generate_keypair().private))
    for attempt in (
        lambda: unwrap(version="dek-v8-20260101"),
        lambda: unwrap(public=foreign.key.public),
        lambda: unwrap(kek=foreign),
    ):
        with pytest.raises(KeyRefusedError) as refused:
            attempt()
        assert refused.value.reason == KeyReason.UNWRAP
        assert kek_id(foreign.key.public) in str(refused.value) or kek_id(KEK.key.public) in str(refused.value)


RECORD = OpenedRecord(b"key", b"not json", (("trace", b"1"), ("trace", None), ("", b"")))


def seal(record: OpenedRecord = RECORD) -> bytes:
    """Seal a record to the DEK."""
    return seal_record(
        dek_public_key=HybridPublicKey.from_bytes(DEK.public),
        dek_version=VERSION,
        source=SOURCE,
        reason=WriteReason.NOT_JSON,
        key=record.key,
        value=record.value,
        headers=record.headers,
    )


def opened(sealed: bytes, **changes: object) -> OpenedRecord:
    """Open it again, with something changed."""
    given: dict[str, object] = {"dek_version": VERSION, "source": SOURCE, "reason": "not-json", **changes}
    return open_record(sealed, decapsulate=DEK.decapsulate, dek_public_key=DEK.public, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "record",
    [
        RECORD,
        OpenedRecord(None, None, ()),
        OpenedRecord(None, b"", ()),
        OpenedRecord(b"", None, (("h", b"x" * 70_000),)),
        OpenedRecord(b"k", b"v" * 1_000_000, tuple((str(n), b"") for n in range(2000))),
    ],
    ids=["usual", "absent", "empty", "no value", "large"],
)
def test_a_sealed_record_comes_back(record: OpenedRecord) -> None:
    """Replay must write what was there: absent and empty are two things."""
    assert opened(seal(record)) == record


@pytest.mark.parametrize(
    "change",
    [
        {"dek_version": "dek-v8-20260101"},
        {"reason": "too-deep"},
        {"source": SOURCE._replace(topic="aegis.other")},
        {"source": SOURCE._replace(partition=4)},
        {"source": SOURCE._replace(offset=18)},
    ],
    ids=str,
)
def test_a_sealed_record_is_bound_to_its_source_and_reason(change: dict[str, object]) -> None:
    """Headers travel beside the value; a changed one must not pass."""
    with pytest.raises(KeyRefusedError) as refused:
        opened(seal(), **change)
    assert refused.value.reason == KeyReason.UNWRAP


@pytest.mark.parametrize("at", [0, 1, 2, 1121, 1122, 1133, 1134, -1])
def test_a_changed_sealed_record_is_refused(at: int) -> None:
    """One byte in each part."""
    changed = bytearray(seal())
    changed[at] ^= 1
    with pytest.raises(KeyRefusedError):
        opened(bytes(changed))


@pytest.mark.parametrize("length", [0, 1, 1149])
def test_a_cut_sealed_record_is_refused(length: int) -> None:
    """Below the least length there is nothing to open."""
    with pytest.raises(KeyRefusedError):
        opened(seal()[:length])


def test_headers_beyond_their_prefix_are_refused() -> None:
    """The prefix cannot hold them, and a cut record would be a lost one."""
    with pytest.raises(TooLongError):
        seal(OpenedRecord(None, b"", (("n" * 65_536, b""),)))
    with pytest.raises(TooLongError):
        seal(OpenedRecord(None, b"", (("n", b""),) * 65_536))


def test_an_opened_record_shows_nothing() -> None:
    """It holds what was too dangerous to pass on."""
    assert repr(opened(seal())) == "<OpenedRecord>"
