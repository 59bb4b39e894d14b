"""What counts as a remaining wrap of a destroyed DEK."""

from __future__ import annotations

import pytest

from aegis_stream.control.remains import wraps_in
from aegis_stream.control.rewrap import Rewrap
from aegis_stream.keyring.dek_record import DekRecord
from aegis_stream.keyring.dsse import Envelope, Kind
from aegis_stream.wire import DekVersion
from aegis_stream.wrapping import WRAPPED_BYTES
from tests.support.control_world import RISK
from tests.support.keyrings import KEK_PAIR

VERSION, OTHER = DekVersion.parse("dek-v1-20260301"), DekVersion.parse("dek-v2-20260301")
RECORD = DekRecord.generate(VERSION, [KEK_PAIR.public])
(KEK,) = RECORD.wraps
EMPTY = DekRecord(VERSION, RECORD.public_key, {})
ID = "0190a6a0-0000-7000-8000-000000000000"
REWRAP = Envelope.sign(Kind.REWRAP, Rewrap(ID, VERSION, KEK, bytes(WRAPPED_BYTES)).to_payload(), [RISK]).to_bytes()


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        (b"dek/dek-v1-20260301", RECORD.to_bytes(), (KEK,)),
        (b"dek/dek-v1-20260301", EMPTY.to_bytes(), ()),
        (b"dek/dek-v1-20260301", None, ()),
        (b"dek/dek-v1-20260301", b"{}", ("?",)),
        (b"copy", RECORD.to_bytes(), (KEK,)),
        (None, RECORD.to_bytes(), (KEK,)),
        (f"rewrap/{ID}/dek-v1-20260301".encode(), REWRAP, (KEK,)),
        (b"anything", REWRAP, (KEK,)),
        (f"rewrap/{ID}/dek-v1-20260301".encode(), b"?", ("?",)),
        (b"manifest", b"{}", ()),
        (f"rewrap/{ID}/dek-v2-20260301".encode(), b"?", ()),
    ],
)
def test_wraps_are_found_under_any_key(key: bytes | None, value: bytes | None, found: tuple[str, ...]) -> None:
    """An attacker's copy is a copy; what cannot be read under the DEK's own key is not called clean."""
    assert wraps_in(key, value, VERSION) == found


def test_other_deks_are_not_meant() -> None:
    """Nor are they answered for."""
    assert wraps_in(b"dek/dek-v1-20260301", RECORD.to_bytes(), OTHER) == ()
    assert wraps_in(b"x", REWRAP, OTHER) == ()
