"""A reader: signed sessions, known sessions, and what it never releases."""

from __future__ import annotations

import base64
import copy
from typing import Any

import orjson
import pytest

import aegis_stream
from aegis_stream.encryption import (
    DekSource,
    Opened,
    PIIDecryptor,
    Unreadable,
    create_pii_decryptor,
    create_pii_enricher,
)
from aegis_stream.errors import (
    ConfigurationError,
    EventUnreadableError,
    ReadReason,
)
from aegis_stream.session_signer import SessionSigner
from tests.support.one_dek import EVENT, PAIR, VERSION, Signed, decryptor, protect


def judge(source: DekSource, event: dict[str, Any]) -> ReadReason | None:
    """Return why a reader refuses an event, or None."""
    (result,) = PIIDecryptor(source).open_batch([orjson.dumps(event)])
    return result.reason if isinstance(result, Unreadable) else None


def test_signed_sessions_are_judged_by_the_manifest() -> None:
    """Without a signature anybody who may write to the topic could write an event of his own."""
    signer = SessionSigner.generate()
    good, unsigned = protect(EVENT, signer=signer), protect(EVENT)
    foreign = protect(EVENT, signer=SessionSigner.generate())
    forged = copy.deepcopy(good)
    forged["_aegis"]["sig"] = base64.b64encode(bytes(64)).decode()
    required, allowed = Signed(signer, signed=True), Signed(signer, signed=False)
    assert [judge(required, event) for event in (good, unsigned, foreign, forged)] == [
        None,
        ReadReason.UNSIGNED,
        ReadReason.SIGNER_UNKNOWN,
        ReadReason.SIGNATURE,
    ]
    assert [judge(allowed, event) for event in (good, unsigned, foreign, forged)] == [
        None,
        None,
        ReadReason.SIGNER_UNKNOWN,
        ReadReason.SIGNATURE,
    ]


def test_a_reader_may_demand_signatures_that_the_manifest_does_not() -> None:
    """More, never less."""
    reader = PIIDecryptor(Signed(SessionSigner.generate(), signed=False), require_signed=True)
    assert reader.open_batch([orjson.dumps(protect(EVENT))]) == [Unreadable(ReadReason.UNSIGNED, "", VERSION)]


def test_a_revoked_signer_is_refused_in_a_known_session() -> None:
    """A cached judgement ends with the manifest that it was made under."""
    signer = SessionSigner.generate()
    source = Signed(signer, signed=True)
    reader, raw = PIIDecryptor(source), orjson.dumps(protect(EVENT, signer=signer))
    assert isinstance(reader.open_batch([raw])[0], Opened)
    source.answer, source.generation = ReadReason.SIGNER_REVOKED, 2
    assert reader.open_batch([raw]) == [Unreadable(ReadReason.SIGNER_REVOKED, "", VERSION)]


def test_a_session_that_differs_in_its_signature_is_judged_anew() -> None:
    """An attacker could otherwise ride on a session that was judged before."""
    signer = SessionSigner.generate()
    good = protect(EVENT, signer=signer)
    forged = copy.deepcopy(good)
    forged["_aegis"]["sig"] = base64.b64encode(bytes(64)).decode()
    reader = PIIDecryptor(Signed(signer, signed=True))
    results = reader.open_batch([orjson.dumps(event) for event in (good, forged, good)])
    assert [isinstance(result, Opened) for result in results] == [True, False, True]


def test_cached_sessions_stay_bounded() -> None:
    """An attacker chooses encapsulations."""
    reader = decryptor()
    reader._sessions._capacity = 3
    events = [orjson.dumps(protect(EVENT)) for _ in range(6)]
    assert all(isinstance(result, Opened) for result in reader.open_batch(events * 2))
    assert len(reader._sessions._derived) == 3
    assert len(reader._sessions._judged) <= 3


def test_no_value_is_released_before_all_have_passed() -> None:
    """One bad field makes the whole event unreadable, and the error names rule and path only."""
    protected = protect({**EVENT, "decision_actor": "secret-value"})
    protected["workflow_id"]["_plaintext_hash"] = "0" * 64
    with pytest.raises(EventUnreadableError) as refused:
        decryptor()(protected)
    error = refused.value
    assert (error.reason, error.path, error.dek_version) == (ReadReason.COMMITMENT, "/workflow_id", VERSION)
    assert "secret-value" not in str(error)


def test_another_dek_version_is_unknown_to_a_single_key() -> None:
    """It never tries a key on a version that is not its own."""
    other = create_pii_enricher(public_key=PAIR.public, dek_version="dek-v2-20260101")(EVENT)
    with pytest.raises(EventUnreadableError) as refused:
        decryptor()(other)
    assert refused.value.reason == ReadReason.DEK_UNKNOWN


def test_a_dict_that_is_no_json_is_unreadable() -> None:
    """An error of our tree, whatever is given."""
    with pytest.raises(EventUnreadableError) as refused:
        decryptor()({"a": float("nan")})
    assert refused.value.reason == ReadReason.NUMBER


def test_a_decryptor_takes_one_key() -> None:
    """Two would leave open which is tried."""
    for options in ({}, {"private_key": PAIR.private, "kek": aegis_stream.get_kek_provider("in_memory")}):
        with pytest.raises(ConfigurationError):
            create_pii_decryptor(dek_version=VERSION, **options)  # type: ignore[arg-type]
