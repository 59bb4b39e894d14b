"""Events that every reader opens: the cases of events.json."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from tests.support.second_decoder import json_text, writer

from . import material
from .material import ACTIVE, BARE, LONGEST, OLD, UNSIGNED, Object

if TYPE_CHECKING:
    from tests.support.second_decoder.writer import Draft


class Case(NamedTuple):
    """A raw event and how it is encrypted."""

    name: str
    note: str
    raw: str
    keyring: str = "bare"
    version: str = BARE
    policy: str = "default"
    signer: str | None = None
    source: str | None = None


def nested(levels: int, innermost: str) -> str:
    """Nest arrays and objects by turns, `levels` of them, around a value."""
    opened = "".join('{"n":' if i % 2 else "[" for i in range(levels))
    return opened + innermost + "".join("]" if i % 2 == 0 else "}" for i in reversed(range(levels)))


TWELVE = (
    '{"event_id":"evt-12","type":"override_decided","actor_assignments":{"risk":"alice","security":["bob","carol"]},'
    '"override_justification":"hotfix for tenant 7","risk_lead_signature":"cmlzaw==","security_lead_signature":"c2Vj",'
    '"decision_actor":"dave","decision_rationale":"risk accepted","workflow_id":"wf-8841","author_id":90071992547,'
    '"actor_id":"erin","combined_hash":"00ff","requested_by":"frank@example.org","signer_id":null,"amount":12.50}'
)
PEOPLE = (
    '{"event_id":"p","people":[{"phone":"+1","E_Mail":"a@example.org"},{"phone":"+2"}],"list":["x",1,{"k":"v"},[]],'
    '"matrix":[[1,2,3],[4,5]],"a/b":{"c~d":"tilde","cd":"public"},"any":{"deep":"yes","deeper":"no"},'
    '"stars":{"*":{"x":1},"other":{"x":2}},"workflow_id":"public","meta":{"actor_id":{"signer_id":"inside"}},'
    '"skipped":[{"signer_id":"s","actor_id":"a"}],"numbers":{"0":"member","00":"public","1":"public"}}'
)
CASES = (
    Case("one-string", "the smallest event with a field", '{"event_id":"evt-1","actor_id":"alice"}'),
    Case(
        "value-types",
        "every JSON type comes back as it was",
        '{"event_id":"evt-2","v":[{"actor_id":""},{"actor_id":"\\u00e9\\ud83d\\ude00\\u0000"},{"actor_id":0},'
        '{"actor_id":-9223372036854775808},{"actor_id":18446744073709551615},{"actor_id":1.5},{"actor_id":5e-324},'
        '{"actor_id":1.7976931348623157e308},{"actor_id":true},{"actor_id":false},{"actor_id":null},{"actor_id":{}},'
        '{"actor_id":[]},{"actor_id":[1,"two",{"three":null}]},{"actor_id":{"a":{"b":"c"}}}]}',
    ),
    Case("twelve-fields", "the twelve names at the top", TWELVE),
    Case(
        "arrays",
        "names inside arrays; more than ten elements, so that byte order is not the order of numbers",
        '{"event_id":"a","approvals":[' + ",".join(f'{{"signer_id":"s{i}"}}' for i in range(12)) + "]}",
    ),
    Case(
        "spellings",
        "ASCII case, underscore, hyphen, dot and space do not count; other letters do",
        '{"actorId":"1","ACTOR_ID":"2","actor.id":"3","Actor Id":"4","actor-id":"5","_actor__id_":"6",'
        '"actor\\u005fid":"7","actor/id":"public","actor_\\u0131d":"public","wor\\u212aflow_id":"public"}',
    ),
    Case(
        "outermost",
        "a sensitive value is encrypted whole",
        '{"actor_assignments":{"actor_id":"x","y":[{"signer_id":1}]}}',
    ),
    Case("pointers", "pointers, escapes, stars and exclusions", PEOPLE, "bare-wide", policy="wide"),
    Case(
        "set-order",
        "commitments are ordered by the bytes of the path, not by UTF-16 units",
        '{"\\ud83d\\ude00":{"actor_id":1},"\\uffee":{"actor_id":2},"~":{"actor_id":3},"/":{"actor_id":4},"":{"actor_id":5},'
        '"z":{"actor_id":6},"Z":{"actor_id":7},"~1":{"actor_id":8}}',
    ),
    Case("empty-name", "a member without a name", '{"":[{"":{"actor_id":"x"}}]}'),
    Case(
        "imitation",
        "an object that looks encrypted is encrypted like any value",
        '{"event_id":"i","x":{"_encrypted":true},"y":[{"_ciphertext":null}],"actor_id":{"_encrypted":true,"_algorithm":"none"},'
        '"z":{"_encrypted":false,"actor_id":"inside"}}',
    ),
    Case(
        "imitation-excluded",
        "an exclusion does not let an imitation through",
        '{"event_id":"i","workflow_id":{"_encrypted":true},"meta":{"actor_id":{"_ciphertext":1}}}',
        "bare-wide",
        policy="wide",
    ),
    Case(
        "imitation-at-top",
        "the event itself is never a field",
        '{"_encrypted":true,"_ciphertext":"x","actor_id":"alice"}',
    ),
    Case("event-id-absent", "binding 0", '{"actor_id":"alice"}'),
    Case("event-id-empty", "binding 1 with the empty text", '{"event_id":"","actor_id":"alice"}'),
    Case("event-id-number", "binding 2", '{"event_id":17,"actor_id":"alice"}'),
    Case("event-id-null", "binding 2", '{"event_id":null,"actor_id":"alice"}'),
    Case("event-id-below", "only the one at the top counts", '{"x":{"event_id":"n"},"actor_id":"alice"}'),
    Case(
        "event-id-sensitive",
        "as published it is an object: binding 2",
        '{"event_id":"secret","actor_id":"alice"}',
        "bare-wide",
        policy="wide",
    ),
    Case("event-id-longest", "65,535 bytes are what LP holds", '{"event_id":"' + "e" * 65535 + '","actor_id":"alice"}'),
    Case(
        "source",
        "the record's coordinates are authenticated",
        '{"event_id":"s","actor_id":"alice"}',
        source="aegis.raw/0/42",
    ),
    Case(
        "source-longest",
        "the largest coordinates",
        '{"actor_id":"alice"}',
        source="t" * 249 + "/2147483647/9223372036854775807",
    ),
    Case(
        "signed",
        "a signed session",
        '{"event_id":"g","actor_id":"alice","n":1}',
        "deployment",
        ACTIVE,
        signer="enricher-1",
        source="aegis.raw/3/0",
    ),
    Case(
        "signed-policy",
        "a signed session under a wider policy",
        PEOPLE,
        "deployment",
        OLD,
        "wide",
        "enricher-1",
        "aegis.raw/1/7",
    ),
    Case(
        "signed-not-required",
        "a signature where none is required",
        '{"actor_id":"alice"}',
        "deployment",
        UNSIGNED,
        signer="enricher-1",
    ),
    Case(
        "unsigned-not-required", "no signature where none is required", '{"actor_id":"alice"}', "deployment", UNSIGNED
    ),
    Case(
        "signed-not-judged",
        "without a manifest a signature is not judged, yet its key id enters the key",
        '{"actor_id":"alice"}',
        "bare",
        ACTIVE,
        signer="enricher-3",
    ),
    Case("no-fields", "nothing sensitive: the DEK version stands in `_aegis` alone", '{"event_id":"n","kind":"ping"}'),
    Case("empty-event", "not even a member", "{}"),
    Case("longest-version", "the largest n and the last day", '{"actor_id":"alice"}', version=LONGEST),
    Case("deepest-event", "64 levels, a field at the last", '{"d":' + nested(62, '{"actor_id":"alice"}') + "}"),
    Case("deepest-value", "a value of 62 levels in a field", '{"actor_id":' + nested(63, "1") + "}"),
    Case(
        "public-numbers",
        "public members keep their values",
        '{"a":18446744073709551615,"b":-9223372036854775808,"c":0.1,"d":1e300,"e":-0.0,"f":1E+2,"actor_id":1}',
    ),
    Case(
        "long-fractions",
        "the digits of a fraction are no integer",
        '{"a":1e300,"b":0.11111111111111111111111111,"actor_id":[2e300,0.22222222222222222222222222]}',
    ),
    Case(
        "unicode",
        "nothing is normalised",
        '{"event_id":"e\\u0301 \\u00e9","actor_id":"e\\u0301","\\u00e9":{"signer_id":"\\u2028"}}',
    ),
)


def write(case: Case) -> Object:
    """Encrypt a case."""
    session = material.session(case.version, signer=case.signer)
    return writer.write(
        writer.accept(case.raw.encode()),
        session,
        material.draw(case.name),
        policy=material.policy(case.policy),
        source=case.source,
    )


def entry(case: Case, encrypted: str) -> Object:
    """Describe one case in the file."""
    return {
        "name": case.name,
        "note": case.note,
        "keyring": case.keyring,
        "dek_version": case.version,
        "source": case.source,
        "raw": case.raw,
        "encrypted": encrypted,
    }


def _text(event: Object) -> str:
    return writer.compact(event).decode()


def _spelled_otherwise() -> list[Object]:
    """Events as no writer of ours writes them, and every reader takes them."""
    case = CASES[0]
    event = write(case)
    first = {"_aegis": event["_aegis"], **{name: value for name, value in event.items() if name != "_aegis"}}
    turned = json.loads(_text(event), object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    spaced = json.dumps(event, indent=2).replace("actor_id", "actor\\u005fid").replace("/", "\\/")
    made = [
        entry(case._replace(name="aegis-first", note="`_aegis` may stand anywhere"), _text(first)),
        entry(case._replace(name="members-turned", note="the order of members is free"), _text(turned)),
        entry(case._replace(name="spaced-and-escaped", note="white space and escapes are free"), spaced),
    ]
    fraction, long = "0.1111111111111111", "0.1111111111111111" + "1" * 10
    numbers = next(case for case in CASES if case.name == "long-fractions")
    written = _text(write(numbers))
    if written.count(f'"b":{fraction},') != 1:
        raise AssertionError(written)
    spelled = numbers._replace(name="long-fractions-kept", note="a writer may keep the spelling of a public number")
    made.append(entry(spelled, written.replace(f'"b":{fraction},', f'"b":{long},')))
    for name, text in (
        ("padding-none", b"true"),
        ("padding-odd", b'\t\r\n {"a" : 1}\n'),
        ("padding-long", b"1" + b" " * 100),
        ("value-deepest", nested(64, "0").encode()),
    ):
        value = json_text.parse(text)
        odd = Case(name, "a reader takes any white space around a value, and 64 levels", _text({"actor_id": value}))
        session, draw = material.session(BARE), material.draw(name)

        def edit(draft: Draft, text: bytes = text) -> Draft:
            return draft._replace(plaintext=text)

        made.append(entry(odd, _text(writer.write({"actor_id": value}, session, draw, edit=edit))))
    return made


def cases() -> list[Object]:
    """Make all cases."""
    return [entry(case, _text(write(case))) for case in CASES] + _spelled_otherwise()
