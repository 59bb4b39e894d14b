"""Grammars and policies: texts.json and policies.json, and the key schedule step by step: schedule.json."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.second_decoder import frames, policy, schedule, writer, xwing
from tests.support.second_decoder.policy import BadPolicyError, Policy

from . import events, material
from .material import ACTIVE, Object

if TYPE_CHECKING:
    from collections.abc import Callable

_GOOD = {
    "dek_versions": ("dek-v1-20260101", "dek-v999999999-99991231", "dek-v10-20240229", "dek-v7-00010101"),
    "times": ("2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2024-02-29T23:59:59Z"),
    "sources": ("aegis.raw/0/0", "a/2147483647/9223372036854775807", "A_b-c.9/10/10", "t" * 249 + "/1/1"),
    "base64": ("", "AA==", "AAA=", "AAAA", "+/+/", "Zm9v"),
}
_BAD = {
    "dek_versions": (
        *("", "dek-v0-20260101", "dek-v01-20260101", "dek-v1000000000-20260101", "dek-v-20260101", "dek-v1-2026011"),
        *(
            "dek-v1-202601011",
            "dek-v1-20260230",
            "dek-v1-20250229",
            "dek-v1-20261301",
            "dek-v1-20260100",
            "dek-v1-00000101",
        ),
        *("dek-v1-20260101\n", " dek-v1-20260101", "DEK-v1-20260101", "dek_v1_20260101", "dek-v\u0661-20260101"),
        *("dek-v1-2026\u0660101", "dek-v+1-20260101", "kek-v1-20260101", "dek-v1-20260101\0"),
    ),
    "times": (
        *("", "2026-01-01T00:00:00", "2026-01-01T00:00:00z", "2026-01-01 00:00:00Z", "2026-01-01T00:00:60Z"),
        *("2026-01-01T24:00:00Z", "2026-02-29T00:00:00Z", "0000-01-01T00:00:00Z", "2026-01-01T00:00:00+00:00"),
        *(
            "2026-01-01T00:00:00.5Z",
            "2026-1-01T00:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:00Z\n",
            "10000-01-01T00:00:00Z",
        ),
        "2026-01-01T00:00:0\u0660Z",
    ),
    "sources": (
        *(
            "",
            "aegis.raw",
            "aegis.raw/0",
            "aegis.raw/0/",
            "/0/0",
            "aegis.raw//0",
            "aegis.raw/0/0/0",
            "a/00/0",
            "a/0/00",
        ),
        *(
            "a/-1/0",
            "a/0/-1",
            "a/+1/0",
            "a/2147483648/0",
            "a/0/9223372036854775808",
            "a b/0/0",
            "\u00e4/0/0",
            "a/0/0\n",
        ),
        *("a/\u0661/0", "t" * 250 + "/0/0"),
    ),
    "base64": (
        *(
            "A",
            "AA",
            "AAA",
            "AA=",
            "AB==",
            "AAB=",
            "=",
            "====",
            "AA==AA==",
            "AA-_",
            "AA\n==",
            " AA==",
            "AA== ",
            "A\u0410==",
        ),
        *("AAAA=", "AAAAAA=", "AA===", "\u0660AAA", "AAAA\n"),
    ),
}


def texts() -> Object:
    """Make the content of texts.json: for each grammar what it takes and what it refuses."""
    judges: dict[str, Callable[[str], bool]] = {
        "dek_versions": lambda text: frames.dek_number(text) is not None,
        "times": frames.is_time,
        "sources": frames.is_source,
        "base64": lambda text: frames.unb64(text) is not None,
    }
    made: Object = {}
    for name, judge in judges.items():
        wrong = [text for text in _GOOD[name] if not judge(text)] + [text for text in _BAD[name] if judge(text)]
        if wrong:
            raise AssertionError(name, wrong)
        made[name] = {"good": list(_GOOD[name]), "bad": list(_BAD[name])}
    sizes = (0, 1, 255, 256, 65535)
    made["lp"] = [{"bytes": size, "prefix": frames.lp(b"x" * size)[:2].hex()} for size in sizes]
    made["lp32"] = [{"bytes": size, "prefix": frames.lp32(b"x" * size)[:4].hex()} for size in (*sizes, 65536)]
    made["lp32_absent"] = frames.lp32(None).hex()
    made["lp_refused_bytes"] = [65536]
    return made


_BAD_POLICIES: dict[str, Object] = {
    "pointer-empty": {"pointers": [""]},
    "pointer-without-slash": {"pointers": ["a/b"]},
    "pointer-tilde": {"pointers": ["/a~2b"]},
    "pointer-tilde-at-end": {"pointers": ["/a~"]},
    "pointer-fragment": {"pointers": ["#/a"]},
    "pointer-number": {"pointers": [1]},
    "exclude-tilde": {"exclude": ["/~"]},
    "exclude-number": {"exclude": [None]},
    "names-no-list": {"names": "email"},
    "names-number": {"names": [7]},
    "id-number": {"id": 1},
    "id-null": {"id": None},
    "exclude-empty": {"exclude": [""]},
    "name-of-separators": {"names": ["_"]},
    "exclude-of-separators": {"exclude": ["- ."]},
    "member-unknown": {"extra": []},
}


def policies() -> Object:
    """Make the content of policies.json: what each policy finds in an event, and policies that are refused."""
    found: list[Object] = [
        {
            "name": case.name,
            "policy": case.policy,
            "event": case.raw,
            "encrypted": [place.pointer for place, _ in _outermost(case)],
        }
        for case in events.CASES
        if len(case.raw) < 10000
    ]
    default = material.POLICIES["default"]
    refused: list[Object] = [{"name": n, "policy": {**default, **change}} for n, change in _BAD_POLICIES.items()]
    for case in refused:
        content = case["policy"]
        try:
            Policy.make(content if isinstance(content, dict) else {})
        except BadPolicyError:
            continue
        raise AssertionError(case["name"])
    names = (
        "actor_id",
        "actorId",
        "ACTOR-ID",
        "a.c.t.o.r i d",
        "actor_id ",
        "\u00c4ctor_id",
        "actor/id",
        "K\u212aelvin",
    )
    return {
        "found": found,
        "refused": refused,
        "normalised": {name: policy.normalised(name) for name in names},
        "twelve": list(policy.TWELVE),
    }


def _outermost(case: events.Case) -> list[tuple[schedule.Place, object]]:
    return list(policy.outermost(writer.accept(case.raw.encode()), material.policy(case.policy)))


def key_schedule() -> Object:
    """Make the content of schedule.json: one signed event with every value on the way."""
    case = events.Case(
        "schedule",
        "",
        '{"event_id":"evt-1","type":"gate","actor_id":"alice","approvals":[{"signer_id":7}]}',
        version=ACTIVE,
        signer="enricher-1",
        source="aegis.raw/0/42",
    )
    session, draw = material.session(ACTIVE, signer="enricher-1"), material.draw("schedule")
    event = events.write(case)
    shared = xwing.decapsulate(material.pair(ACTIVE).private, session.encapsulation)
    bound = schedule.binding(event, draw.identity.hex(), case.source or "")
    fields: list[Object] = []
    for index, (place, value) in enumerate(_outermost(case)):
        kind, plaintext = writer.plaintext_of(value)
        aad = schedule.field_aad(ACTIVE, bound, draw.at, place, kind)
        fields.append(
            {
                "path": place.pointer,
                "kinds": place.kinds,
                "type": chr(kind),
                "plaintext": plaintext.hex(),
                "nonce": draw.nonces(index).hex(),
                "aad": aad.hex(),
                "commitment": schedule.commitment(session.keys.commitment, aad, plaintext).hex(),
            }
        )
    return {
        "raw": case.raw,
        "dek_version": ACTIVE,
        "shared_secret": shared.hex(),
        "by": session.by,
        "session_message": schedule.session_message(ACTIVE, session.encapsulation).hex(),
        "field_key": session.keys.field.hex(),
        "commitment_key": session.keys.commitment.hex(),
        "set_key": session.keys.set.hex(),
        "binding": bound.hex(),
        "fields": fields,
        "encrypted": writer.compact(event).decode(),
    }
