"""Events that every reader refuses, from the mixtures to the set tag: steps 5 to 9 of bad_events.json."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from tests.support.second_decoder import writer
from tests.support.second_decoder.frames import b64, unb64

from .bad_events import BASE, FIRST, GROUP_ORDER, LOW_ORDER, SECOND, THIRD, Bad, base, edited, node, turned
from .events import nested
from .material import ACTIVE, BARE, LONGEST, UNSIGNED, Object

if TYPE_CHECKING:
    from tests.support.second_decoder.writer import Draft

AEGIS = "/_aegis"


def mixtures() -> list[Bad]:
    """Step 5."""
    other_time = "2026-04-01T12:00:01Z"
    everywhere = copy.deepcopy(base())
    for path in (FIRST, SECOND, THIRD):
        node(everywhere, path)["_dek_version"] = ACTIVE
    return [
        Bad("mixed-time", 5, edited(SECOND, "_encrypted_at", other_time), "mixed", SECOND),
        Bad("mixed-time-first", 5, edited(FIRST, "_encrypted_at", other_time), "mixed", SECOND),
        Bad("mixed-version", 5, edited(THIRD, "_dek_version", ACTIVE), "mixed", THIRD),
        Bad("mixed-version-first", 5, edited(FIRST, "_dek_version", ACTIVE), "mixed", FIRST),
        Bad(
            "mixed-version-all", 5, writer.compact(everywhere), "mixed", FIRST, note="`_aegis.dek` is part of the rest"
        ),
        Bad("mixed-dek", 5, edited(AEGIS, "dek", ACTIVE), "mixed", FIRST),
    ]


def signatures() -> list[Bad]:
    """Step 6, in a deployment."""
    signed = base(version=ACTIVE, signer="enricher-1")
    aegis = node(signed, AEGIS)
    sig = unb64(str(aegis["sig"])) or b""
    scalar = (int.from_bytes(sig[32:], "little") + GROUP_ORDER).to_bytes(32, "little")
    session = "another"
    foreign = {
        "sig-of-other-session": base(version=ACTIVE, session=session, signer="enricher-1"),
        "sig-of-other-key": base(version=ACTIVE, signer="enricher-3"),
        "sig-of-other-version": base(version=UNSIGNED, signer="enricher-1"),
    }
    bad = [
        Bad("unsigned", 6, writer.compact(base(version=ACTIVE)), "unsigned"),
        Bad("unsigned-stripped", 6, edited("", "_aegis", _without(aegis, "by", "sig"), signed), "unsigned"),
        Bad("signer-unknown", 6, writer.compact(base(version=ACTIVE, signer="enricher-3")), "signer-unknown"),
        Bad("signer-unknown-id", 6, edited(AEGIS, "by", "0" * 16, signed), "signer-unknown"),
        Bad("signer-revoked", 6, writer.compact(base(version=ACTIVE, signer="enricher-2")), "signer-revoked"),
        Bad("sig-first-half", 6, turned(AEGIS, "sig", 0, event=signed), "signature"),
        Bad("sig-second-half", 6, turned(AEGIS, "sig", 40, event=signed), "signature"),
        Bad("sig-not-reduced", 6, edited(AEGIS, "sig", b64(sig[:32] + scalar), signed), "signature"),
        Bad("sig-zero", 6, edited(AEGIS, "sig", b64(bytes(64)), signed), "signature"),
        Bad("sig-kem-changed", 6, turned(AEGIS, "kem", 7, event=signed), "signature", note="before the tags"),
        *(
            Bad(name, 6, edited(AEGIS, "sig", node(event, AEGIS)["sig"], signed), "signature")
            for name, event in foreign.items()
        ),
        Bad(
            "sig-wrong-not-required",
            6,
            turned(AEGIS, "sig", 0, event=base(version=UNSIGNED, signer="enricher-1")),
            "signature",
            note="a signature that is there is judged",
        ),
    ]
    return [case._replace(keyring="deployment") for case in bad]


def _without(holder: Object, *members: str) -> Object:
    return {name: value for name, value in holder.items() if name not in members}


def encapsulations() -> list[Bad]:
    """Step 7."""
    kem = unb64(str(node(base(), AEGIS)["kem"])) or b""
    long_id = "e" * 65536
    long_name = "n" * 65535
    field = base()["actor_id"]
    low = [b64(kem[:1088] + bytes.fromhex(point)) for point in LOW_ORDER]
    both = edited(AEGIS, "kem", low[0], base() | {"event_id": long_id})
    return [
        *(
            Bad(f"low-order-{i}", 7, edited(AEGIS, "kem", text), "encapsulation", note="the X25519 result is zero")
            for i, text in enumerate(low)
        ),
        Bad("event-id-65536", 7, edited("", "event_id", long_id), "too-long", "/event_id"),
        Bad("encapsulation-before-event-id", 7, both, "encapsulation"),
        Bad("path-too-long", 7, edited("", long_name, field), "too-long", f"/{long_name}"),
    ]


def tags() -> list[Bad]:
    """Step 8, the tags: what a field is bound to."""
    event = base()
    other = base(BASE, "other")
    swapped = copy.deepcopy(event)
    swapped["actor_id"], node(swapped, "/approvals/0")["signer_id"] = event["actor_id"], event["actor_id"]
    swapped["actor_id"] = node(event, "/approvals/0")["signer_id"]
    renamed = {("author_id" if name == "actor_id" else name): value for name, value in event.items()}
    shape = copy.deepcopy(event)
    shape["approvals"] = dict(zip("01", shape["approvals"], strict=True))  # type: ignore[call-overload]
    moved = copy.deepcopy(event)
    moved["approvals"] = list(reversed(moved["approvals"]))  # type: ignore[call-overload]
    later = copy.deepcopy(event)
    for path in (FIRST, SECOND, THIRD):
        node(later, path)["_encrypted_at"] = "2026-04-02T12:00:00Z"
    number = base(BASE.replace('"evt-1"', "1"), "number")
    absent = base(BASE.replace('"event_id":"evt-1",', ""), "absent")
    source = base(BASE, "source", source="aegis.raw/0/7")
    signed = base(version=ACTIVE, signer="enricher-1")
    unsigned = edited("", "_aegis", _without(node(signed, AEGIS), "by", "sig"), signed)
    relabelled = writer.compact(event).replace(BARE.encode(), LONGEST.encode())
    blob = len(unb64(str(node(event, FIRST)["_ciphertext"])) or b"")
    cases: dict[str, bytes] = {
        "fields-swapped": writer.compact(swapped),
        "field-of-other-event": edited("", "actor_id", other["actor_id"]),
        "field-of-other-session": edited("", "actor_id", base(BASE, session="another")["actor_id"]),
        "event-id-edited": edited("", "event_id", "evt-2"),
        "event-id-removed": edited("", "event_id", ...),
        "event-id-to-number": edited("", "event_id", 1),
        "event-id-from-number": edited("", "event_id", "1", number),
        "event-id-number-removed": edited("", "event_id", ..., number),
        "event-id-added": edited("", "event_id", "", absent),
        "id-edited": edited(AEGIS, "id", node(other, AEGIS)["id"]),
        "src-edited": edited(AEGIS, "src", "aegis.raw/0/8", source),
        "src-removed": edited(AEGIS, "src", ..., source),
        "src-added": edited(AEGIS, "src", "aegis.raw/0/7"),
        "time-edited": writer.compact(later),
        "version-edited": relabelled,
        "kem-of-other-session": edited(AEGIS, "kem", node(base(session="another"), AEGIS)["kem"]),
        "kem-post-quantum-half": turned(AEGIS, "kem", 0),
        "kem-classical-half": turned(AEGIS, "kem", 1100),
        "signature-stripped": unsigned,
        "type-flipped": turned(FIRST, "_ciphertext", 1, ord("s") ^ ord("j")),
        "nonce-flipped": turned(FIRST, "_ciphertext", 2),
        "body-flipped": turned(FIRST, "_ciphertext", 14),
        "tag-flipped": turned(FIRST, "_ciphertext", blob - 1, 0x80),
    }
    return [
        *(Bad(name, 8, raw, "tag", FIRST) for name, raw in cases.items()),
        Bad("field-renamed", 8, writer.compact(renamed), "tag", "/author_id"),
        Bad("field-copied", 8, edited("", "author_id", event["actor_id"]), "tag", "/author_id"),
        Bad(
            "array-to-object",
            8,
            writer.compact(shape),
            "tag",
            SECOND,
            note="the pointer is the same, the kinds are not",
        ),
        Bad("elements-turned", 8, writer.compact(moved), "tag", SECOND),
        Bad("tag-of-second", 8, turned(SECOND, "_ciphertext", 20), "tag", SECOND),
        Bad("element-removed", 8, edited("", "approvals", event["approvals"][1:]), "tag", SECOND),  # type: ignore[index]
    ]


def contents() -> list[Bad]:
    """Step 8, the commitments and the values; and step 9."""
    plaintexts: dict[str, tuple[str, bytes]] = {
        "string-under-j": ("j", b'"alice"         '),
        "nothing-under-j": ("j", b""),
        "spaces-under-j": ("j", b" " * 16),
        "words-under-j": ("j", b"alice"),
        "two-values-under-j": ("j", b"1 1"),
        "nul-under-j": ("j", b"1\0"),
        "byte-order-mark-under-j": ("j", b"\xef\xbb\xbf1"),
        "invalid-utf-8-under-j": ("j", b'["\xff"]'),
        "lone-surrogate-under-j": ("j", b'["\\ud800"]'),
        "nan-under-j": ("j", b"NaN"),
        "infinite-under-j": ("j", b"1e999"),
        "past-64-bits-under-j": ("j", b"18446744073709551616"),
        "below-64-bits-under-j": ("j", b'{"a":[-9223372036854775809]}'),
        "levels-65-under-j": ("j", nested(65, "1").encode()),
        "invalid-utf-8-under-s": ("s", b"\xff"),
        "truncated-utf-8-under-s": ("s", b"alic\xc3"),
        "surrogate-under-s": ("s", b"\xed\xa0\x80"),
        "overlong-under-s": ("s", b"\xc0\x80"),
    }
    bad = [
        Bad(name, 8, writer.compact(base(label=name, edit=_spoil(FIRST, plaintext, ord(kind)))), "value", FIRST)
        for name, (kind, plaintext) in plaintexts.items()
    ]
    crossed = copy.deepcopy(base())
    hashes = [node(crossed, path)["_plaintext_hash"] for path in (FIRST, SECOND)]
    node(crossed, FIRST)["_plaintext_hash"], node(crossed, SECOND)["_plaintext_hash"] = reversed(hashes)
    early = base(label="early", edit=_spoil(FIRST, b"\xff", ord("s")))
    committed = base(label="committed", edit=_commit(FIRST, b"\1" * 32))
    return [
        *bad,
        Bad(
            "value-of-third", 8, writer.compact(base(label="third", edit=_spoil(THIRD, b"x", ord("j")))), "value", THIRD
        ),
        Bad("commitment-edited", 8, edited(FIRST, "_plaintext_hash", "0" * 64), "commitment", FIRST),
        Bad("commitments-swapped", 8, writer.compact(crossed), "commitment", FIRST),
        Bad(
            "commitment-in-set",
            8,
            writer.compact(committed),
            "commitment",
            FIRST,
            note="the set tag fits the wrong commitment",
        ),
        Bad("value-before-later-tag", 8, turned(SECOND, "_ciphertext", 20, event=early), "value", FIRST),
        Bad("commitment-before-later-tag", 8, turned(SECOND, "_ciphertext", 20, event=committed), "commitment", FIRST),
        Bad("tag-before-commitment", 8, turned(FIRST, "_ciphertext", 20, event=committed), "tag", FIRST),
        *_sets(),
    ]


def _spoil(path: str, plaintext: bytes, kind: int) -> object:
    def edit(draft: Draft) -> Draft:
        return draft._replace(plaintext=plaintext, kind=kind) if draft.place.pointer == path else draft

    return edit


def _commit(path: str, commitment: bytes) -> object:
    def edit(draft: Draft) -> Draft:
        return draft._replace(commitment=commitment) if draft.place.pointer == path else draft

    return edit


def _sets() -> list[Bad]:
    event, ping = base(), base('{"event_id":"n","kind":"ping"}', "ping", source="aegis.raw/0/1")
    aegis = node(event, AEGIS)
    nothing = {"event_id": "evt-1", "public": {"n": 1}, "_aegis": aegis}
    turned_set = ("1" if str(aegis["set"])[0] != "1" else "2") + str(aegis["set"])[1:]
    cases = {
        "field-removed": edited("", "actor_id", ...),
        "last-element-removed": edited("", "approvals", event["approvals"][:1]),  # type: ignore[index]
        "all-fields-removed": writer.compact(nothing),
        "set-edited": edited(AEGIS, "set", turned_set),
        "set-of-other-event": edited(AEGIS, "set", node(base(BASE, "other"), AEGIS)["set"]),
        "no-fields-id-edited": edited(AEGIS, "id", "0" * 32, ping),
        "no-fields-event-id-edited": edited("", "event_id", "m", ping),
        "no-fields-src-edited": edited(AEGIS, "src", "aegis.raw/0/2", ping),
        "no-fields-kem-edited": turned(AEGIS, "kem", 3, event=ping),
        "no-fields-version-edited": writer.compact(ping).replace(BARE.encode(), ACTIVE.encode()),
    }
    return [Bad(name, 9, raw, "set") for name, raw in cases.items()]
