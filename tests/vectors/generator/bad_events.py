"""Events that every reader refuses: the cases of bad_events.json, in the order of the format's steps.

Most begin as a good event, the *base*, and change one thing.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, NamedTuple

from tests.support.second_decoder import writer
from tests.support.second_decoder.frames import b64, unb64

from . import material
from .events import nested
from .material import ACTIVE, BARE, BELOW, DESTROYED, REVOKED, UNKNOWN, Object

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.second_decoder.writer import Draft

BASE = '{"event_id":"evt-1","actor_id":"alice","public":{"n":1},"approvals":[{"signer_id":"bob"},{"signer_id":7}]}'
FIRST, SECOND, THIRD = "/actor_id", "/approvals/0/signer_id", "/approvals/1/signer_id"
# The points of small order of Curve25519, two of them also in a spelling at or above the prime.
LOW_ORDER = (
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
)
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493


class Bad(NamedTuple):
    """One refusal: the step of the format, the bytes, and what must be said."""

    name: str
    step: int
    raw: bytes
    reason: str
    path: str = ""
    keyring: str = "bare"
    note: str = ""


def base(raw: str = BASE, label: str = "base", **options: object) -> Object:
    """Encrypt a good event; options: version, session, signer, policy, source, edit, at."""
    version = str(options.get("version", BARE))
    signer = options.get("signer")
    source = options.get("source")
    edit: Callable[[Draft], Draft] | None = options.get("edit")  # type: ignore[assignment]
    return writer.write(
        writer.accept(raw.encode()),
        material.session(version, str(options.get("session", "session")), str(signer) if signer else None),
        material.draw(label, str(options.get("at", material.AT))),
        policy=material.policy(str(options.get("policy", "default"))),
        source=str(source) if source is not None else None,
        edit=edit,
    )


def node(event: Object, path: str) -> Object:
    """Find the object at a path without escapes."""
    found: object = event
    for token in path.split("/")[1:]:
        found = found[int(token)] if isinstance(found, list) else found[token]  # type: ignore[index]
    if not isinstance(found, dict):
        raise TypeError(path)
    return found


def edited(path: str, member: str, value: object, event: Object | None = None) -> bytes:
    """Set a member of the object at `path` in the base; `...` removes it."""
    changed = copy.deepcopy(base() if event is None else event)
    holder = node(changed, path) if path else changed
    if value is ...:
        del holder[member]
    else:
        holder[member] = value
    return writer.compact(changed)


def turned(path: str, member: str, at: int, mask: int = 1, event: Object | None = None) -> bytes:
    """Flip bits of one byte in a member of the base that holds base64."""
    original = base() if event is None else event
    data = bytearray(unb64(str(node(original, path)[member])) or b"")
    data[at] ^= mask
    return edited(path, member, b64(bytes(data)), original)


def document() -> list[Bad]:
    """Step 1."""
    good = writer.compact(base())
    text = good.decode()
    public = '"public":{"n":1}'

    def swapped(new: str) -> bytes:
        return text.replace(public, new).encode()

    not_json = {
        "empty": b"",
        "space-only": b" \n",
        "truncated": good[:-1],
        "trailing": good + b"x",
        "two-documents": good + good,
        "array-at-top": b"[" + good + b"]",
        "string-at-top": b'"_aegis"',
        "number-at-top": b"1",
        "null-at-top": b"null",
        "byte-order-mark": b"\xef\xbb\xbf" + good,
        "utf-16": text.encode("utf-16"),
        "invalid-utf-8": good.replace(b'"n"', b'"\xff"'),
        "overlong-utf-8": good.replace(b'"n"', b'"\xc0\xaf"'),
        "surrogate-in-utf-8": good.replace(b'"n"', b'"\xed\xa0\x80"'),
        "lone-surrogate": swapped('"public":"\\ud800"'),
        "lone-low-surrogate": swapped('"public":"\\udc00x"'),
        "lone-surrogate-in-name": swapped('"\\ud800\\ud800":1'),
        "nan": swapped('"public":NaN'),
        "infinity": swapped('"public":-Infinity'),
        "leading-zero": swapped('"public":01'),
        "trailing-comma": swapped('"public":[1,]'),
        "comment": swapped('"public":1/**/'),
        "control-character": swapped('"public":"\n"'),
        "nul-behind": good + b"\0",
    }
    bad = [Bad(name, 1, raw, "not-json") for name, raw in not_json.items()]
    bad.append(Bad("levels-66", 1, swapped('"public":' + nested(65, "1")), "too-deep"))
    numbers = {
        "number-infinite": "1e999",
        "number-past-64-bits": "18446744073709551616",
        "number-below-64-bits": "-9223372036854775809",
        "number-of-5000-digits": "1" * 5000,
    }
    bad += [Bad(name, 1, swapped(f'"public":{number}'), "number") for name, number in numbers.items()]
    bad.append(
        Bad("number-before-version", 1, good.replace(b'"v":1', b'"v":1e999'), "number", note="step 1 before step 2")
    )
    return bad


def aegis() -> list[Bad]:
    """Step 2."""
    at = "/_aegis"
    wrong: dict[str, object] = {"null": None, "string": "v1", "array": [], "number": 1}
    bad = [
        Bad("aegis-absent", 2, edited("", "_aegis", ...), "not-protected"),
        Bad("aegis-absent-empty", 2, b"{}", "not-protected"),
        Bad(
            "aegis-below",
            2,
            edited("", "below", {"_aegis": base()["_aegis"]}, base("{}") | {"_aegis": None}),
            "malformed",
            at,
        ),
    ]
    bad += [Bad(f"aegis-{name}", 2, edited("", "_aegis", value), "malformed", at) for name, value in wrong.items()]
    versions: dict[str, object] = {
        "2": 2,
        "0": 0,
        "text": "1",
        "fraction": 1.0,
        "true": True,
        "null": None,
        "missing": ...,
    }
    bad += [Bad(f"v-{name}", 2, edited(at, "v", value), "version", at) for name, value in versions.items()]
    bad.append(Bad("v-2-nothing-else", 2, b'{"_aegis":{"v":2,"x":[]},"actor_id":"clear"}', "version", at))
    bad += [
        Bad(f"{member}-missing", 2, edited(at, member, ...), "malformed", at) for member in ("dek", "id", "kem", "set")
    ]
    kinds: dict[str, object] = {"null": None, "number": 1, "empty": "", "array": []}
    bad += [
        Bad(f"{member}-{kind}", 2, edited(at, member, value), "malformed", at)
        for member in ("dek", "id", "kem", "set", "src", "by", "sig")
        for kind, value in kinds.items()
    ]
    kem, signed = str(node(base(), at)["kem"]), base(signer="enricher-1", version=ACTIVE)
    sig = str(node(signed, at)["sig"])
    forms: dict[str, tuple[str, object]] = {
        "extra-member": ("x", 1),
        "dek-v0": ("dek", "dek-v0-20260101"),
        "dek-no-day": ("dek", "dek-v1-20260230"),
        "dek-year-0": ("dek", "dek-v1-00000101"),
        "dek-ten-digits": ("dek", "dek-v1000000000-20260101"),
        "dek-newline": ("dek", "dek-v1-20260101\n"),
        "dek-other-digits": ("dek", "dek-v\u0661-20260101"),
        "dek-upper": ("dek", "DEK-v1-20260101"),
        "id-upper": ("id", str(node(base(), at)["id"]).upper()),
        "id-short": ("id", "0" * 31),
        "id-long": ("id", "0" * 34),
        "id-newline": ("id", "0" * 32 + "\n"),
        "set-upper": ("set", "A" * 64),
        "set-short": ("set", "a" * 62),
        "kem-short": ("kem", b64(b"\1" * 1119)),
        "kem-long": ("kem", b64(b"\1" * 1121)),
        "kem-not-canonical": ("kem", kem[:-3] + chr(ord(kem[-3]) + 1) + "=="),
        "kem-no-padding": ("kem", kem.rstrip("=")),
        "kem-url-safe": ("kem", kem.replace("+", "-").replace("/", "_")),
        "kem-line-break": ("kem", kem[:76] + "\n" + kem[76:]),
        "src-two-parts": ("src", "aegis.raw/0"),
        "src-four-parts": ("src", "aegis.raw/0/1/2"),
        "src-leading-zero": ("src", "aegis.raw/0/01"),
        "src-negative": ("src", "aegis.raw/-1/0"),
        "src-no-topic": ("src", "/0/0"),
        "src-odd-topic": ("src", "a b/0/0"),
        "src-offset-too-large": ("src", "aegis.raw/0/9223372036854775808"),
        "src-partition-too-large": ("src", "aegis.raw/2147483648/0"),
    }
    bad += [Bad(name, 2, edited(at, *change), "malformed", at) for name, change in forms.items()]
    signatures: dict[str, tuple[str, object]] = {
        "by-without-sig": ("sig", ...),
        "sig-without-by": ("by", ...),
        "by-upper": ("by", "A" * 16),
        "by-long": ("by", "a" * 18),
        "sig-short": ("sig", b64(b"\1" * 63)),
        "sig-not-canonical": ("sig", sig[:-3] + chr(ord(sig[-3]) + 1) + "=="),
    }
    bad += [Bad(name, 2, edited(at, *change, signed), "malformed", at) for name, change in signatures.items()]
    return bad


def dek() -> list[Bad]:
    """Step 3, in a deployment; and that it comes before the fields."""
    reasons = {UNKNOWN: "unknown", REVOKED: "revoked", DESTROYED: "destroyed", BELOW: "below-minimum"}
    bad = [
        Bad(f"dek-{name}", 3, writer.compact(base(version=version)), f"dek-{name}", keyring="deployment")
        for version, name in reasons.items()
    ]
    other_day = edited("/_aegis", "dek", BARE[:-1] + "2")
    bad.append(Bad("dek-other-day", 3, other_day, "dek-unknown", note="equality is of the whole text"))
    clear = edited("", "actor_id", "clear", base(version=REVOKED))
    bad.append(Bad("dek-before-plaintext", 3, clear, "dek-revoked", keyring="deployment"))
    return bad
