"""A writer's session: its limits, and that it shows no key."""

from __future__ import annotations

import os
import pickle

import pytest

from aegis_stream.hybrid import HybridKEM, HybridPublicKey
from aegis_stream.session import SessionKeys, SessionLimits, WriterSession
from aegis_stream.session_signer import SessionSigner, session_message, verify_session
from aegis_stream.wire import b64decode

VERSION = "dek-v1-20260101"
PUBLIC = HybridPublicKey.from_bytes(HybridKEM.generate_keypair().public)


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_session_dies_at_its_age() -> None:
    """An hour bounds what a stolen enricher can read."""
    clock = Clock()
    session = WriterSession(PUBLIC, dek_version=VERSION, limits=SessionLimits(max_age_s=10), clock=clock)
    assert session.alive()
    clock.now += 9.9
    assert session.alive()
    clock.now += 0.1
    assert not session.alive()


def test_a_session_refuses_what_does_not_fit() -> None:
    """The limits are checked before a field is encrypted, and a refusal counts nothing."""
    session = WriterSession(PUBLIC, dek_version=VERSION, limits=SessionLimits(max_fields=3, max_plaintext_bytes=100))
    assert session.charge(2, 60)
    assert not session.charge(2, 1)
    assert not session.charge(1, 41)
    assert session.charge(1, 40)
    assert not session.charge(0, 1)


@pytest.mark.parametrize(
    "limits",
    [
        {"max_age_s": 3601},
        {"max_fields": 2**28 + 1},
        {"max_plaintext_bytes": 64 * 2**30 + 1},
        {"max_age_s": 0},
        {"max_fields": 0},
        {"max_plaintext_bytes": -1},
    ],
    ids=str,
)
def test_limits_beyond_the_format_are_refused(limits: dict[str, int]) -> None:
    """Random nonces of 96 bits are safe within the format's limits only."""
    with pytest.raises(ValueError, match="format"):
        SessionLimits(**limits)  # type: ignore[arg-type]


def test_a_session_is_not_used_after_a_fork() -> None:
    """Parent and child would count apart."""
    session = WriterSession(PUBLIC, dek_version=VERSION)
    child = os.fork()
    if child == 0:
        os._exit(0 if not session.alive() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert session.alive()


def test_a_signed_session_names_its_signer() -> None:
    """The signature covers the version and the encapsulation, so neither can be exchanged."""
    signer = SessionSigner.generate()
    session = WriterSession(PUBLIC, dek_version=VERSION, signer=signer)
    encapsulation, signature = b64decode(session.kem), b64decode(session.sig)
    assert session.by == signer.key_id
    assert verify_session(signer.public, VERSION, encapsulation, signature)
    assert not verify_session(signer.public, "dek-v2-20260101", encapsulation, signature)
    assert not verify_session(signer.public, VERSION, encapsulation[:-1] + b"\x00", signature)
    assert not verify_session(SessionSigner.generate().public, VERSION, encapsulation, signature)


def test_a_malleable_signature_is_refused() -> None:
    """S and S plus the group order are one signature to a careless verifier, and two sessions to a cache."""
    order = 2**252 + 27742317777372353535851937790883648493
    signer = SessionSigner.generate()
    signature = signer.sign(session_message(VERSION, b"kem"))
    shifted = (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    assert verify_session(signer.public, VERSION, b"kem", signature)
    assert not verify_session(signer.public, VERSION, b"kem", signature[:32] + shifted)
    assert not verify_session(signer.public, VERSION, b"kem", signature[:-1])
    assert not verify_session(b"short", VERSION, b"kem", signature)


def test_nothing_of_a_session_shows() -> None:
    """What is printed ends up in logs."""
    signer = SessionSigner.from_seed(bytes(range(32)))
    keys = SessionKeys(bytes(96))
    assert repr(keys) == "<SessionKeys>"
    assert repr(signer) == f"<SessionSigner {signer.key_id}>"
    assert repr(WriterSession(PUBLIC, dek_version=VERSION)) == "<WriterSession by nobody>"
    assert signer.export_seed() == bytes(range(32))
    for secret in (keys, signer):
        with pytest.raises(TypeError, match="never copied"):
            pickle.dumps(secret)
