"""Wrapped DEK private keys and sealed records: wrapped_deks.json and sealed_records.json."""

from __future__ import annotations

from tests.support.second_decoder import records
from tests.support.second_decoder.frames import b64, kek_id
from tests.support.second_decoder.records import Record, Where

from . import material
from .bad_events import LOW_ORDER
from .material import ACTIVE, BARE, Object

_ENCAPSULATION, _NONCE = slice(2, 1122), 1122


def _flipped(blob: bytes, at: int, mask: int = 1) -> bytes:
    changed = bytearray(blob)
    changed[at] ^= mask
    return bytes(changed)


def _low(blob: bytes) -> bytes:
    return blob[:1090] + bytes.fromhex(LOW_ORDER[2]) + blob[1122:]


def wrapped_deks() -> Object:
    """Make the content of wrapped_deks.json; every refusal there has the one reason `unwrap`, except a mismatch."""
    cases = [_wrapped(dek, kek) for dek in (BARE, ACTIVE) for kek in ("kek-1", "kek-2")]
    blob = _blob(BARE, "kek-1")
    foreign = records.wrap(
        material.pair(ACTIVE),
        BARE,
        material.pair("kek-1").public,
        eseed=material.drawn("wrap foreign", 64),
        nonce=material.drawn("wrap foreign nonce", 12),
    )
    changed = {
        "first-byte": _flipped(blob, 0),
        "type-d": blob[:1] + b"d" + blob[2:],
        "encapsulation-changed": _flipped(blob, 2),
        "low-order": _low(blob),
        "nonce-changed": _flipped(blob, _NONCE),
        "body-changed": _flipped(blob, _NONCE + 12),
        "tag-changed": _flipped(blob, len(blob) - 1),
        "short": blob[:-1],
        "long": blob + b"\0",
        "empty": b"",
    }
    refused: list[Object] = [_bad(name, raw) for name, raw in changed.items()]
    refused += [
        _bad("other-version", blob, version=BARE[:-1] + "2"),
        _bad("other-kek", blob, kek="kek-2"),
        _bad("other-public-key", blob, dek=ACTIVE),
        _bad("private-key-of-another", foreign, note="the wrap is bound to the public key of its own DEK"),
    ]
    return {"wrapped": cases, "refused": refused, "mismatched": [_mismatched()]}


def _blob(dek: str, kek: str) -> bytes:
    eseed, nonce = material.drawn(f"wrap {dek} {kek}", 64), material.drawn(f"wrap nonce {dek} {kek}", 12)
    return records.wrap(material.pair(dek), dek, material.pair(kek).public, eseed=eseed, nonce=nonce)


def _wrapped(dek: str, kek: str) -> Object:
    return {
        "dek": dek,
        "kek": kek,
        "dek_version": dek,
        "kek_id": kek_id(material.pair(kek).public),
        "eseed": material.drawn(f"wrap {dek} {kek}", 64).hex(),
        "nonce": material.drawn(f"wrap nonce {dek} {kek}", 12).hex(),
        "wrapped": b64(_blob(dek, kek)),
    }


def _bad(  # noqa: PLR0913 -- a case's members
    name: str, raw: bytes, *, dek: str = BARE, kek: str = "kek-1", version: str = BARE, note: str = ""
) -> Object:
    return {"name": name, "dek": dek, "kek": kek, "dek_version": version, "wrapped": b64(raw), "note": note}


def _mismatched() -> Object:
    """Wrap another's private key under a right tag: only the comparison with the record shows it."""
    own, other = material.pair(BARE), material.pair(ACTIVE)
    liar = own._replace(private=other.private)
    raw = records.wrap(
        liar,
        BARE,
        material.pair("kek-1").public,
        eseed=material.drawn("wrap liar", 64),
        nonce=material.drawn("wrap liar nonce", 12),
    )
    return _bad("right-tag-other-key", raw, note="the AAD names the record's public key, the content is another's")


_WHERE = Where("aegis.raw", 3, 9007199254740993, "not-json")
RECORDS: dict[str, Record] = {
    "value-only": Record(None, b"{broken", []),
    "key-and-value": Record(b"actor-7", b"{}", []),
    "no-value": Record(b"actor-7", None, []),
    "empty-is-not-absent": Record(b"", b"", []),
    "headers": Record(
        b"k", b"v", [("trace", b"00-ab"), ("trace", b""), ("null", None), ("\u00e9", b"\xff"), ("", b"x")]
    ),
    "not-text": Record(b"\x00\xff", bytes(range(256)), []),
}


def sealed_records() -> Object:
    """Make the content of sealed_records.json."""
    cases = [_sealed(name, record) for name, record in RECORDS.items()]
    blob = _seal("value-only", RECORDS["value-only"])
    changed = {
        "first-byte": _flipped(blob, 0),
        "type-k": blob[:1] + b"k" + blob[2:],
        "encapsulation-changed": _flipped(blob, 2),
        "low-order": _low(blob),
        "nonce-changed": _flipped(blob, _NONCE),
        "body-changed": _flipped(blob, _NONCE + 12),
        "tag-changed": _flipped(blob, len(blob) - 1),
        "cut": blob[:-1],
        "longer": blob + b"\0",
        "head-only": blob[:1149],
        "empty": b"",
    }
    bound = {
        "other-topic": _WHERE._replace(topic="aegis.raw2"),
        "other-partition": _WHERE._replace(partition=4),
        "other-offset": _WHERE._replace(offset=0),
        "other-reason": _WHERE._replace(reason="number"),
    }
    refused = [_unopened(name, raw) for name, raw in changed.items()]
    refused += [_unopened(name, blob, where=where) for name, where in bound.items()]
    refused.append(_unopened("other-version", blob, version=ACTIVE))
    refused += [_unopened(name, _raw_plaintext(name, plaintext)) for name, plaintext in _spoiled().items()]
    return {"sealed": cases, "refused": refused}


def _seal(name: str, record: Record) -> bytes:
    eseed, nonce = material.drawn(f"seal {name}", 64), material.drawn(f"seal nonce {name}", 12)
    return records.seal(record, BARE, _WHERE, material.pair(BARE).public, eseed=eseed, nonce=nonce)


def _optional(data: bytes | None) -> str | None:
    return None if data is None else b64(data)


def _sealed(name: str, record: Record) -> Object:
    return {
        "name": name,
        "dek": BARE,
        "dek_version": BARE,
        **_WHERE._asdict(),
        "eseed": material.drawn(f"seal {name}", 64).hex(),
        "nonce": material.drawn(f"seal nonce {name}", 12).hex(),
        "key": _optional(record.key),
        "value": _optional(record.value),
        "headers": [[header, _optional(value)] for header, value in record.headers],
        "sealed": b64(_seal(name, record)),
    }


def _unopened(name: str, raw: bytes, *, where: Where = _WHERE, version: str = BARE) -> Object:
    return {"name": name, "dek": BARE, "dek_version": version, **where._asdict(), "sealed": b64(raw)}


def _spoiled() -> dict[str, bytes]:
    """Plaintexts under a right tag that are no record."""
    good = records.pack(RECORDS["headers"])
    return {
        "content-empty": b"",
        "content-cut": good[:-1],
        "content-longer": good + b"\0",
        "content-length-past-the-end": b"\x00\x00\x00\x09k" + good[5:],
        "content-header-count-too-large": records.pack(RECORDS["value-only"])[:-2] + b"\x00\x01",
        "content-header-name-not-utf-8": records.pack(RECORDS["value-only"])[:-2]
        + b"\x00\x01\x00\x01\xff\xff\xff\xff\xff",
    }


def _raw_plaintext(name: str, plaintext: bytes) -> bytes:
    eseed, nonce = material.drawn(f"seal {name}", 64), material.drawn(f"seal nonce {name}", 12)
    return records.seal_bytes(plaintext, BARE, _WHERE, material.pair(BARE).public, eseed=eseed, nonce=nonce)
