"""Wrong, truncated and swapped keys: refused where they are loaded, or at the tag where they cannot be told apart."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from aegis_stream.encryption import Opened, Protected, Unreadable, create_pii_decryptor, create_pii_enricher
from aegis_stream.errors import AegisError, ConfigurationError, KeyReason, KeyRefusedError, ReadReason
from aegis_stream.hybrid import HybridKEM, HybridKeypair, HybridPrivateKey, HybridPublicKey
from aegis_stream.wrapping import unwrap_dek, wrap_dek

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = "dek-v1-20260101"
RAW = b'{"event_id":"e","actor_id":"alice"}'


@pytest.fixture(scope="module")
def pair() -> HybridKeypair:
    """Make the right pair."""
    return HybridKEM.generate_keypair()


@pytest.fixture(scope="module")
def other() -> HybridKeypair:
    """Make another pair."""
    return HybridKEM.generate_keypair()


def reason_of(call: Callable[[], object]) -> str:
    """Give the reason with which a key is refused."""
    with pytest.raises(KeyRefusedError) as caught:
        call()
    return caught.value.reason


def protected(pair: HybridKeypair, raw: bytes = RAW) -> bytes:
    """Protect an event to a pair."""
    (result,) = create_pii_enricher(public_key=pair.public, dek_version=VERSION).protect_batch([raw])
    assert isinstance(result, Protected)
    return result.value


def test_swapped_keys_are_told_by_their_length(pair: HybridKeypair) -> None:
    """The commonest mistake of all: the private key where the public one belongs, and the reverse."""
    assert reason_of(lambda: create_pii_enricher(public_key=pair.private, dek_version=VERSION)) == KeyReason.LENGTH
    assert reason_of(lambda: create_pii_decryptor(private_key=pair.public, dek_version=VERSION)) == KeyReason.LENGTH


def test_a_swapped_key_is_told_how_to_mend(pair: HybridKeypair) -> None:
    """The error says what to look at, and shows no byte of the private key that was given."""
    with pytest.raises(KeyRefusedError) as caught:
        create_pii_enricher(public_key=pair.private, dek_version=VERSION)
    assert "swapped" in caught.value.remedy
    shown = f"{caught.value} {caught.value!r} {vars(caught.value)}"
    assert base64.b64encode(pair.private[:12]).decode() not in shown
    assert repr(pair.private[:4])[2:-1] not in shown


@pytest.mark.parametrize("size", [0, 1, 32, 1184, 1215, 1217, 2400, 2431, 2433])
def test_truncated_and_longer_keys_are_refused(pair: HybridKeypair, size: int) -> None:
    """A key that lost its end in a variable, or gained a line break, is no key."""
    private, public = (pair.private * 2)[:size], (pair.public * 3)[:size]
    assert reason_of(lambda: create_pii_decryptor(private_key=private, dek_version=VERSION)) == KeyReason.LENGTH
    assert reason_of(lambda: create_pii_enricher(public_key=public, dek_version=VERSION)) == KeyReason.LENGTH


def test_the_wrong_private_key_is_refused_at_the_first_tag(pair: HybridKeypair, other: HybridKeypair) -> None:
    """ML-KEM rejects implicitly, so only the tag can say that the key is another; no value comes out."""
    reader = create_pii_decryptor(private_key=other.private, dek_version=VERSION)
    assert reader.open_batch([protected(pair)]) == [Unreadable(ReadReason.TAG, "/actor_id", VERSION)]


def test_the_wrong_private_key_is_refused_without_any_field(pair: HybridKeypair, other: HybridKeypair) -> None:
    """An event without fields has its set tag."""
    reader = create_pii_decryptor(private_key=other.private, dek_version=VERSION)
    assert reader.open_batch([protected(pair, b'{"event_id":"e"}')]) == [Unreadable(ReadReason.SET, "", VERSION)]


def test_the_right_key_under_another_version_is_unknown(pair: HybridKeypair) -> None:
    """A reader never tries a key that the event does not name."""
    reader = create_pii_decryptor(private_key=pair.private, dek_version="dek-v2-20260101")
    assert reader.open_batch([protected(pair)]) == [Unreadable(ReadReason.DEK_UNKNOWN, "", VERSION)]


def test_halves_of_two_keys_are_no_key(pair: HybridKeypair, other: HybridKeypair) -> None:
    """An ML-KEM half with another's public key inside does not come back; another X25519 half opens nothing."""
    mixed = other.private[:1152] + pair.private[1152:]
    assert reason_of(lambda: HybridPrivateKey.from_bytes(mixed)) == KeyReason.INCONSISTENT
    crossed = pair.private[:2400] + other.private[2400:]
    assert reason_of(lambda: HybridPrivateKey.from_bytes(crossed, public=pair.public)) == KeyReason.MISMATCH
    reader = create_pii_decryptor(private_key=crossed, dek_version=VERSION)
    assert reader.open_batch([protected(pair)]) == [Unreadable(ReadReason.TAG, "/actor_id", VERSION)]


def test_keys_of_zeros_and_ones_are_refused(pair: HybridKeypair) -> None:
    """Files that were zeroed, and memory that was never filled."""
    assert reason_of(lambda: HybridPublicKey.from_bytes(bytes(1216))) == KeyReason.LOW_ORDER
    assert reason_of(lambda: HybridPublicKey.from_bytes(b"\xff" * 1216)) == KeyReason.MODULUS
    assert reason_of(lambda: HybridPublicKey.from_bytes(pair.public[:1184] + bytes(32))) == KeyReason.LOW_ORDER
    assert reason_of(lambda: HybridPrivateKey.from_bytes(bytes(2432))) == KeyReason.INCONSISTENT
    assert reason_of(lambda: HybridPrivateKey.from_bytes(b"\xff" * 2432)) == KeyReason.INCONSISTENT


@pytest.mark.parametrize("version", ["", "v1", "dek-v0-20260101", "dek-v1-20261301", "dek-v1-20260101 "])
def test_a_malformed_version_is_refused_at_both_doors(pair: HybridKeypair, version: str) -> None:
    """It would stand in every event."""
    for call in (
        lambda: create_pii_enricher(public_key=pair.public, dek_version=version),
        lambda: create_pii_decryptor(private_key=pair.private, dek_version=version),
    ):
        assert reason_of(call) == KeyReason.DEK_VERSION


def test_a_decryptor_takes_one_key_exactly() -> None:
    """Neither a KEK nor a private key, or both, is a mistake of the caller."""
    with pytest.raises(ConfigurationError):
        create_pii_decryptor(dek_version=VERSION)


class Kek:
    """What unwrapping needs of a KEK."""

    def __init__(self, pair: HybridKeypair) -> None:
        """Take a pair."""
        self._public = pair.public
        self.decapsulate = HybridPrivateKey.from_bytes(pair.private).decapsulate

    def get_public_key(self) -> bytes:
        """Return the public key."""
        return self._public


def test_a_dek_does_not_unwrap_under_another_kek(pair: HybridKeypair, other: HybridKeypair) -> None:
    """After a rotation of the KEK the old wraps are no secret of the new one."""
    dek = HybridPrivateKey.from_bytes(pair.private)
    wrapped = wrap_dek(dek, dek_version=VERSION, kek_public_key=pair.public)
    unwrapped = unwrap_dek(wrapped, dek_version=VERSION, dek_public_key=pair.public, kek=Kek(pair))
    assert unwrapped.export() == pair.private

    def unwrap(raw: bytes, version: str = VERSION, public: bytes = pair.public, kek: HybridKeypair = pair) -> object:
        return unwrap_dek(raw, dek_version=version, dek_public_key=public, kek=Kek(kek))

    assert reason_of(lambda: unwrap(wrapped, kek=other)) == KeyReason.UNWRAP
    assert reason_of(lambda: unwrap(wrapped, version="dek-v2-20260101")) == KeyReason.UNWRAP
    assert reason_of(lambda: unwrap(wrapped, public=other.public)) == KeyReason.UNWRAP
    assert reason_of(lambda: unwrap(wrapped[:-1])) == KeyReason.LENGTH
    assert reason_of(lambda: unwrap(b"\x12" + wrapped[1:])) == KeyReason.UNWRAP


def test_a_private_key_is_not_wrapped_to_a_private_key(pair: HybridKeypair) -> None:
    """Swapped again, one level higher."""
    dek = HybridPrivateKey.from_bytes(pair.private)
    with pytest.raises(AegisError):
        wrap_dek(dek, dek_version=VERSION, kek_public_key=pair.private)


def test_the_right_pair_still_works(pair: HybridKeypair) -> None:
    """The tests above would pass with a reader that refuses all."""
    (result,) = create_pii_decryptor(private_key=pair.private, dek_version=VERSION).open_batch([protected(pair)])
    assert isinstance(result, Opened)
    assert result.event == {"event_id": "e", "actor_id": "alice"}
