"""One contract for every KEK provider, wherever the key is kept."""

from __future__ import annotations

import copy
import logging
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from aegis_stream.errors import AegisError, KEKError, KEKReason, KEKUnavailableError, KeyReason, KeyRefusedError
from aegis_stream.hybrid import ENCAPSULATION_BYTES, HybridKEM, HybridKeypair, HybridPrivateKey
from aegis_stream.kek import KEKProvider, check_kek
from aegis_stream.wire import kek_id
from aegis_stream.wrapping import unwrap_dek, wrap_dek
from tests.support.leaks import dump, told_by, traces_of_key

if TYPE_CHECKING:
    from tests.support.custody import Custody

VERSION = "dek-v1-20260101"
THREADS = 8


_loaded: dict[str, KEKProvider] = {}


@pytest.fixture
def provider(request: pytest.FixtureRequest, custody: Custody, kek_pair: HybridKeypair) -> KEKProvider:
    """Return the provider of the place, loaded once with the session's keypair: it never changes."""
    name = request.node.callspec.params["custody"]
    if name not in _loaded:
        _loaded[name] = custody.load(custody.blob(kek_pair), kek_pair.public)
    return _loaded[name]


def refusal(custody: Custody, blob: bytes, public: bytes) -> AegisError:
    """Return the error with which a place refuses to load."""
    with pytest.raises(AegisError) as caught:
        custody.load(blob, public)
    return caught.value


def test_provider_satisfies_the_protocol(provider: KEKProvider, custody: Custody, kek_pair: HybridKeypair) -> None:
    """Callers take the protocol, so its members are all there is."""
    assert isinstance(provider, KEKProvider)
    assert provider.name == custody.name
    assert provider.get_public_key() == kek_pair.public
    assert provider.kek_id == kek_id(kek_pair.public)


def test_every_place_gives_the_same_secret(provider: KEKProvider, kek_pair: HybridKeypair) -> None:
    """A KEK that moves to another place must go on opening what was wrapped before."""
    encapsulation, secret = HybridKEM.encapsulate(kek_pair.public)
    assert provider.decapsulate(encapsulation) == secret
    check_kek(provider)


def test_provider_unwraps_a_dek(provider: KEKProvider) -> None:
    """It is what a KEK is for."""
    dek = HybridKEM.generate_keypair()
    wrapped = wrap_dek(
        HybridPrivateKey.from_bytes(dek.private), dek_version=VERSION, kek_public_key=provider.get_public_key()
    )
    opened = unwrap_dek(wrapped, dek_version=VERSION, dek_public_key=dek.public, kek=provider)
    assert opened.export() == dek.private


def test_provider_does_not_open_a_changed_or_foreign_dek(provider: KEKProvider) -> None:
    """ML-KEM rejects implicitly: only the tag of what was wrapped can tell."""
    dek = HybridKEM.generate_keypair()
    private = HybridPrivateKey.from_bytes(dek.private)
    wrapped = wrap_dek(private, dek_version=VERSION, kek_public_key=provider.get_public_key())
    foreign = wrap_dek(private, dek_version=VERSION, kek_public_key=HybridKEM.generate_keypair().public)
    changed = bytearray(wrapped)
    changed[100] ^= 1
    for bad in (bytes(changed), foreign):
        with pytest.raises(KeyRefusedError) as caught:
            unwrap_dek(bad, dek_version=VERSION, dek_public_key=dek.public, kek=provider)
        assert caught.value.reason == KeyReason.UNWRAP


@pytest.mark.parametrize("length", [0, 1, ENCAPSULATION_BYTES - 1, ENCAPSULATION_BYTES + 1, 100_000])
def test_provider_refuses_an_encapsulation_of_another_length(provider: KEKProvider, length: int) -> None:
    """It comes from a topic, so it may be anything."""
    with pytest.raises(KeyRefusedError) as caught:
        provider.decapsulate(bytes(length))
    assert caught.value.reason == KeyReason.ENCAPSULATION


def test_provider_refuses_a_point_of_low_order(provider: KEKProvider, kek_pair: HybridKeypair) -> None:
    """A shared secret that an attacker can know is none."""
    encapsulation = HybridKEM.encapsulate(kek_pair.public).encapsulation
    with pytest.raises(KeyRefusedError) as caught:
        provider.decapsulate(encapsulation[:-32] + bytes(32))
    assert caught.value.reason == KeyReason.ENCAPSULATION


def test_threads_get_right_secrets(provider: KEKProvider, kek_pair: HybridKeypair) -> None:
    """Readers decapsulate in several threads at once."""
    probes = [HybridKEM.encapsulate(kek_pair.public) for _ in range(6)] * THREADS
    with ThreadPoolExecutor(THREADS) as pool:
        secrets = list(pool.map(provider.decapsulate, [probe.encapsulation for probe in probes]))
    assert secrets == [probe.shared_secret for probe in probes]


def test_keys_that_do_not_belong_together_are_refused_at_start(custody: Custody, kek_pair: HybridKeypair) -> None:
    """Found at the first event, it would be an outage; KMS says so itself, since the KEK id is bound in."""
    error = refusal(custody, custody.blob(kek_pair), HybridKEM.generate_keypair().public)
    assert isinstance(error, KEKError)
    assert not isinstance(error, KEKUnavailableError)
    assert error.reason == (KEKReason.BAD_BLOB if custody.name == "kms" else KEKReason.MISMATCH)
    assert "same provisioning" in error.remedy or "provisionings" in error.remedy


@pytest.mark.parametrize("damage", ["flipped", "cut", "extended", "oversized", "empty", "random"])
def test_damaged_blob_is_refused_at_start(custody: Custody, kek_pair: HybridKeypair, damage: str) -> None:
    """A bad copy must not be taken for a device in trouble: waiting would never end."""
    blob = custody.blob(kek_pair)
    damaged = {
        "flipped": blob[:300] + bytes([blob[300] ^ 1]) + blob[301:],
        "cut": blob[:-1],
        "extended": blob + b"\0",
        "oversized": blob * 40,
        "empty": b"",
        "random": os.urandom(len(blob)),
    }[damage]
    error = refusal(custody, damaged, kek_pair.public)
    assert not error.retryable
    assert error.reason in {
        KEKReason.BAD_BLOB,
        KEKReason.WRONG_KEY,
        KeyReason.LENGTH,
        KeyReason.INCONSISTENT,
        KEKReason.MISMATCH,
        KEKReason.INCOMPLETE,
    }
    assert error.remedy


def test_foreign_blob_is_refused_at_start(custody: Custody, kek_pair: HybridKeypair) -> None:
    """What another key wrapped must not be opened, whatever is inside; moto calls it denied."""
    error = refusal(custody, custody.foreign_blob(kek_pair), kek_pair.public)
    assert not error.retryable
    assert error.reason in {KEKReason.BAD_BLOB, KEKReason.WRONG_KEY, KEKReason.MISMATCH, KEKReason.DENIED}


@pytest.mark.parametrize("bad", ["empty", "cut", "private", "modulus"])
def test_bad_public_key_is_refused_at_start(custody: Custody, kek_pair: HybridKeypair, bad: str) -> None:
    """Swapped variables are the likeliest mistake; the private key must not show in the error."""
    public = {
        "empty": b"",
        "cut": kek_pair.public[:-1],
        "private": kek_pair.private,
        "modulus": b"\xff" * len(kek_pair.public),
    }[bad]
    error = refusal(custody, custody.blob(kek_pair), public)
    assert error.reason in {KeyReason.LENGTH, KeyReason.MODULUS, KEKReason.INCOMPLETE}
    assert traces_of_key(kek_pair.private, told_by(error)) == []


def test_provider_shows_no_key(provider: KEKProvider, kek_pair: HybridKeypair) -> None:
    """Somebody will print it, and somebody will dump its attributes."""
    assert traces_of_key(kek_pair.private, dump(provider)) == []
    assert provider.kek_id in repr(provider)


def test_provider_is_never_copied(provider: KEKProvider) -> None:
    """A pickle is a file with the key in it."""
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="never copied"):
            attempt(provider)


def test_loading_logs_no_key(
    custody: Custody, kek_pair: HybridKeypair, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Vendors' libraries log requests and answers at DEBUG, and an operator in trouble turns that on."""
    caplog.set_level(logging.DEBUG)
    blob = custody.blob(kek_pair)
    check_kek(custody.load(blob, kek_pair.public))
    printed = capfd.readouterr()
    assert traces_of_key(kek_pair.private, caplog.text + printed.out + printed.err) == []


@pytest.mark.parametrize("mistake", ["other public key", "damaged blob", "swapped"])
def test_failed_loading_shows_no_key(custody: Custody, kek_pair: HybridKeypair, mistake: str) -> None:
    """Crash reports hold the locals of every frame."""
    blob = custody.blob(kek_pair)
    public = kek_pair.public
    if mistake == "other public key":
        public = HybridKEM.generate_keypair().public
    elif mistake == "damaged blob":
        blob = blob[:1300] + bytes(8) + blob[1308:]
    else:
        blob, public = public, kek_pair.private
    assert traces_of_key(kek_pair.private, told_by(refusal(custody, blob, public))) == []
