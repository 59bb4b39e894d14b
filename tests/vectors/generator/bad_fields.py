"""Events whose fields have the wrong shape, or whose sensitive values stand in the clear: step 4 of bad_events.json."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from tests.support.second_decoder import writer
from tests.support.second_decoder.frames import b64, unb64

from .bad_events import FIRST, SECOND, THIRD, Bad, base, edited, node

if TYPE_CHECKING:
    from .material import Object

_MEMBERS = ("_encrypted", "_algorithm", "_dek_version", "_ciphertext", "_plaintext_hash", "_encrypted_at")


def fields() -> list[Bad]:
    """Step 4."""
    bad = [Bad(f"field-without{member}", 4, edited(FIRST, member, ...), "malformed", FIRST) for member in _MEMBERS]
    one = base('{"event_id":"evt-1","actor_id":"alice"}', "one")
    blob = unb64(str(node(one, FIRST)["_ciphertext"])) or b""
    whole = blob + b"\0" * (-len(blob) % 3)  # a whole number of quads, so that no padding belongs there
    ciphertext = str(node(base(), FIRST)["_ciphertext"])
    forms: dict[str, tuple[str, object]] = {
        "extra-member": ("x", 1),
        "encrypted-text": ("_encrypted", "true"),
        "algorithm-other": ("_algorithm", "aes-256-gcm"),
        "algorithm-upper": ("_algorithm", "X25519+ML-KEM-768+AES-256-GCM"),
        "hash-upper": ("_plaintext_hash", "A" * 64),
        "hash-short": ("_plaintext_hash", "a" * 62),
        "ciphertext-29-bytes": ("_ciphertext", b64(blob[:29])),
        "ciphertext-url-safe": ("_ciphertext", "ES-_" + b64(blob)[4:]),
        "ciphertext-space": ("_ciphertext", b64(blob) + " "),
        "ciphertext-no-padding": ("_ciphertext", b64(blob + b"\0" * (1 if len(blob) % 3 == 0 else 0)).rstrip("=")),
        "layout-2": ("_ciphertext", b64(b"\x12" + blob[1:])),
        "layout-0": ("_ciphertext", b64(b"\x10" + blob[1:])),
        "format-version-2": ("_ciphertext", b64(b"\x21" + blob[1:])),
        "type-x": ("_ciphertext", b64(blob[:1] + b"x" + blob[2:])),
        "type-upper": ("_ciphertext", b64(blob[:1] + b"S" + blob[2:])),
        "ciphertext-padding-behind": ("_ciphertext", b64(whole) + "="),
        "ciphertext-padding-behind-2": ("_ciphertext", b64(whole) + "=="),
        "ciphertext-padding-four": ("_ciphertext", b64(whole) + "===="),
        "ciphertext-padding-inside": ("_ciphertext", b64(whole) + "AA==AA=="),
        "at-no-day": ("_encrypted_at", "2026-02-29T00:00:00Z"),
        "at-year-0": ("_encrypted_at", "0000-01-01T00:00:00Z"),
        "at-second-60": ("_encrypted_at", "2016-12-31T23:59:60Z"),
        "at-hour-24": ("_encrypted_at", "2026-01-01T24:00:00Z"),
        "at-offset": ("_encrypted_at", "2026-01-01T00:00:00+00:00"),
        "at-fraction": ("_encrypted_at", "2026-01-01T00:00:00.0Z"),
        "at-lower": ("_encrypted_at", "2026-01-01t00:00:00z"),
        "at-newline": ("_encrypted_at", "2026-01-01T00:00:00Z\n"),
    }
    bad += [Bad(f"field-{name}", 4, edited(FIRST, *change, one), "malformed", FIRST) for name, change in forms.items()]
    bad += [
        Bad(f"field-at-{name}-under-right-tags", 4, writer.compact(base(at=at)), "malformed", FIRST)
        for name, at in {"empty": "", "word": "yesterday"}.items()
    ]
    wrong: dict[str, object] = {"null": None, "false": False, "number": 1, "empty": "", "array": [], "object": {}}
    bad += [
        Bad(f"{prefix}{member}-{kind}", 4, edited(FIRST, member, value, event), "malformed", FIRST)
        for prefix, event in (("lone", one), ("first", base()))
        for member in _MEMBERS
        for kind, value in wrong.items()
    ]
    bad += [
        Bad(f"second{member}-{kind}", 4, edited(SECOND, member, value), "malformed", SECOND)
        for member in _MEMBERS
        for kind, value in wrong.items()
    ]
    last = ciphertext.rstrip("=")
    spoiled = last[:-1] + chr(ord(last[-1]) + 1) + "=" * (len(ciphertext) - len(last))
    if unb64(spoiled) is not None:
        raise AssertionError("not the spoiled text it should be")
    bad.append(Bad("field-ciphertext-not-canonical", 4, edited(FIRST, "_ciphertext", spoiled), "malformed", FIRST))
    objects: dict[str, object] = {
        "imitation": {"_encrypted": True},
        "imitation-ciphertext": {"_ciphertext": ""},
        "imitation-in-array": [{"x": 1}, {"_encrypted": None}],
    }
    bad += [
        Bad(
            f"field-{name}",
            4,
            edited("", "public", value),
            "malformed",
            "/public/1" if isinstance(value, list) else "/public",
        )
        for name, value in objects.items()
    ]
    return bad + _plaintexts()


def _plaintexts() -> list[Bad]:
    clear: dict[str, object] = {"string": "alice", "null": None, "array": [], "object": {"_algorithm": 1}, "empty": ""}
    bad = [
        Bad(f"plaintext-{name}", 4, edited("", "actor_id", value), "plaintext", FIRST) for name, value in clear.items()
    ]
    field = base()["actor_id"]
    wide = base('{"people":[{"phone":"+0"},{"phone":"+1"}],"numbers":{"0":"x"}}', "wide", policy="wide")
    return [
        *bad,
        Bad(
            "plaintext-around-field",
            4,
            edited("", "actor_assignments", {"risk": field}),
            "plaintext",
            "/actor_assignments",
        ),
        Bad("plaintext-other-spelling", 4, edited("/public", "ACTOR.id", "x"), "plaintext", "/public/ACTOR.id"),
        Bad("plaintext-in-array", 4, edited("/approvals/1", "signer_id", 7), "plaintext", THIRD),
        Bad(
            "plaintext-escaped-path",
            4,
            edited("/public", "a/b~c", {"actorId": 1}),
            "plaintext",
            "/public/a~1b~0c/actorId",
        ),
        Bad(
            "plaintext-by-pointer",
            4,
            edited("/people/1", "phone", "+1", wide),
            "plaintext",
            "/people/1/phone",
            "bare-wide",
        ),
        Bad("plaintext-at-index", 4, edited("", "numbers", ["x"], wide), "plaintext", "/numbers/0", "bare-wide"),
        Bad(
            "plaintext-before-malformed",
            4,
            edited("", "actor_id", "alice", _with(SECOND, "_encrypted", value=False)),
            "plaintext",
            FIRST,
            note="document order",
        ),
        Bad(
            "malformed-before-plaintext",
            4,
            edited("/approvals/0", "signer_id", "bob", _with(FIRST, "_encrypted", value=False)),
            "malformed",
            FIRST,
            note="document order",
        ),
    ]


def _with(path: str, member: str, *, value: object) -> Object:
    changed = copy.deepcopy(base())
    node(changed, path)[member] = value
    return changed
