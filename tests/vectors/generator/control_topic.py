"""Records of the control topic, taken and refused; the content of control_topic.json.

Written with no code of the library: JSON and PAE by hand, signatures by the vendor.  ML-DSA signatures are hedged, so
each run makes others, over the same bytes; the file is written by

    python -m tests.vectors.generator.control_topic

and a test compares all but the signatures with what is made here.
"""

from __future__ import annotations

import copy
import hashlib
import json
from typing import TYPE_CHECKING, Any, TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from tests.support.second_decoder import records
from tests.support.second_decoder.frames import b64, kek_id, signer_id
from tests.vectors.generator import material
from tests.vectors.generator.files import FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable

Json: TypeAlias = "dict[str, Any]"

FILE = FOLDER / "control_topic.json"
DEPLOYMENT = "example"
FIRST, SECOND = "dek-v1-20260101", "dek-v2-20260402"
KEK = "kek-1"
ISSUED, EXPIRES, AT = "2026-04-01T12:00:00Z", "2026-04-01T13:00:00Z", "2026-04-01T12:10:00Z"
NEXT_ISSUED, NEXT_EXPIRES, NEXT_AT = "2026-04-02T12:00:00Z", "2026-04-02T13:00:00Z", "2026-04-02T12:10:00Z"
MANIFEST_TYPE = "application/vnd.aegis-stream.manifest+json"
COMMAND_TYPE = "application/vnd.aegis-stream.command+json"


class Agent:
    """A hybrid signing key made of two labelled seeds."""

    def __init__(self, name: str) -> None:
        """Derive it."""
        self.seed = material.drawn(f"agent {name}", 64)
        self._ed25519 = Ed25519PrivateKey.from_private_bytes(self.seed[:32])
        self._mldsa = MLDSA44PrivateKey.from_seed_bytes(self.seed[32:])
        self.public = self._ed25519.public_key().public_bytes_raw() + self._mldsa.public_key().public_bytes_raw()
        self.key_id = "agent-" + hashlib.sha256(self.public).hexdigest()[:16]

    def sign(self, payload: bytes, payload_type: str) -> bytes:
        """Sign the pre-authentication encoding."""
        message = f"DSSEv1 {len(payload_type)} {payload_type} {len(payload)} ".encode() + payload
        return self._ed25519.sign(message) + self._mldsa.sign(message)


AGENT, OTHER = Agent("agent"), Agent("other")


def dek_record(version: str) -> str:
    """Write the record of a DEK as the text that stands on the topic."""
    kek = material.pair(KEK)
    wrapped = records.wrap(
        material.pair(version),
        version,
        kek.public,
        eseed=material.drawn(f"control wrap {version}", 64),
        nonce=material.drawn(f"control nonce {version}", 12),
    )
    public = b64(material.pair(version).public)
    return compact({"v": 1, "version": version, "public_key": public, "wraps": {kek_id(kek.public): b64(wrapped)}})


def compact(value: object) -> str:
    """Write JSON without white space."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def dek(version: str, state: str, record: str) -> Json:
    """Describe one DEK for a manifest."""
    day = version[-8:]
    return {
        "version": version,
        "state": state,
        "created_at": f"{day[:4]}-{day[4:6]}-{day[6:]}T00:00:00Z",
        "policy": "default",
        "signed": True,
        "record_sha256": hashlib.sha256(record.encode()).hexdigest(),
    }


def first_payload() -> Json:
    """Write the first manifest's payload."""
    kek = material.pair(KEK).public
    enricher = material.signer_public("enricher-1")
    return {
        "v": 1,
        "deployment": DEPLOYMENT,
        "sequence": 1,
        "issued_at": ISSUED,
        "expires_at": EXPIRES,
        "active_version": FIRST,
        "minimum_version": FIRST,
        "deks": [dek(FIRST, "active", dek_record(FIRST))],
        "policies": [material.POLICIES["default"]],
        "keks": [{"id": kek_id(kek), "public_key": b64(kek), "state": "current"}],
        "agents": [{"id": AGENT.key_id, "public_key": b64(AGENT.public), "state": "current"}],
        "custodians": [
            {
                "role": role,
                "public_key": b64(material.drawn(f"custodian {role}", 32)),
                "state": "current",
                "since": ISSUED,
            }
            for role in ("risk-lead", "security-lead")
        ],
        "enrichers": [{"id": signer_id(enricher), "public_key": b64(enricher), "state": "current", "first_n": 1}],
        "executed": [],
    }


def second_payload() -> Json:
    """Write the manifest after a rotation."""
    later = {"sequence": 2, "issued_at": NEXT_ISSUED, "expires_at": NEXT_EXPIRES, "active_version": SECOND}
    deks = [dek(FIRST, "decrypt-only", dek_record(FIRST)), dek(SECOND, "active", dek_record(SECOND))]
    return {**first_payload(), **later, "deks": deks}


def sealed(payload: Json, *, signer: Agent = AGENT, kind: str = MANIFEST_TYPE) -> Json:
    """Wrap and sign a payload."""
    raw = compact(payload).encode()
    signatures = [{"keyid": signer.key_id, "sig": b64(signer.sign(raw, kind))}]
    return {"payload": b64(raw), "payloadType": kind, "signatures": signatures}


def record(envelope: Json) -> Json:
    """Write the record of a manifest's envelope."""
    return {"key": "manifest", "value": compact(envelope)}


def manifest(payload: Json, **how: Any) -> Json:  # noqa: ANN401 - options of `sealed`
    """Write the record of a manifest."""
    return record(sealed(payload, **how))


def half(payload: Json, *, genuine: slice) -> Json:
    """Sign with a key of which one half alone is the agent's."""
    raw = compact(payload).encode()
    mixed = bytearray(OTHER.sign(raw, MANIFEST_TYPE))
    mixed[genuine] = AGENT.sign(raw, MANIFEST_TYPE)[genuine]
    envelope = {**sealed(payload), "signatures": [{"keyid": AGENT.key_id, "sig": b64(bytes(mixed))}]}
    return record(envelope)


def edited(payload: Json, edit: Callable[[Json], object]) -> Json:
    """Return a changed copy."""
    changed = copy.deepcopy(payload)
    edit(changed)
    return changed


def cases() -> list[Json]:
    """List offers in order; all but the last are taken, and the last one's outcome is `reason`, null for taken."""
    one = [{"key": f"dek/{FIRST}", "value": dek_record(FIRST)}, manifest(first_payload())]
    two = [{"key": f"dek/{SECOND}", "value": dek_record(SECOND)}, manifest(second_payload())]
    first, second = first_payload(), second_payload()
    envelope = sealed(first)
    broken_line = {**envelope, "payload": envelope["payload"] + "\n"}
    twin = dek("dek-v1-20260102", "decrypt-only", dek_record(FIRST))
    third = edited(second, lambda it: it["deks"][0].update(state="revoked")) | {"sequence": 3}
    return [
        case("first manifest", None, *one),
        case("rotation", None, *two, at=NEXT_AT),
        case("ed25519 half alone", "signature", half(first, genuine=slice(64))),
        case("ml-dsa half alone", "signature", half(first, genuine=slice(64, None))),
        case("another agent", "signature", manifest(first, signer=OTHER)),
        case("another agent under the agent's keyid", "signature", _lying(first)),
        case("signed as a command", "signature", _retyped(first)),
        case("envelope of a command", "envelope", manifest(first, kind=COMMAND_TYPE)),
        case("base64 with a line break", "envelope", record(broken_line)),
        case("no signature", "envelope", record({**envelope, "signatures": []})),
        case("unknown member", "envelope", record({**envelope, "x": 1})),
        case("tombstone", "envelope", {"key": "manifest", "value": None}),
        case("unknown member in the payload", "payload", manifest({**first, "x": 1})),
        case("version 2", "payload", manifest({**first, "v": 2})),
        case("two of one n", "payload", manifest(edited(second, lambda it: it["deks"].insert(1, twin)))),
        case("two active", "payload", manifest(edited(second, lambda it: it["deks"][0].update(state="active")))),
        case("another deployment", "deployment", manifest({**first, "deployment": "other"})),
        case("the sequence again", "sequence", *one, manifest({**first, "issued_at": AT})),
        case("expired", "expired", one[-1], at=EXPIRES),
        case("clock an hour behind", "not-yet-valid", one[-1], at="2026-04-01T11:00:00Z"),
        case(
            "a DEK disappears",
            "transition",
            *two,
            manifest({**third, "deks": third["deks"][1:], "minimum_version": SECOND}),
            at=NEXT_AT,
        ),
        case(
            "a revoked DEK opens again",
            "transition",
            *two,
            manifest(third),
            manifest({**second, "sequence": 4}),
            at=NEXT_AT,
        ),
    ]


def case(name: str, reason: str | None, *offers: Json, at: str = AT) -> Json:
    """Describe one case; `at` is the reader's clock."""
    return {"name": name, "at": at, "reason": reason, "offers": list(offers)}


def _lying(payload: Json) -> Json:
    envelope = sealed(payload, signer=OTHER)
    envelope["signatures"][0]["keyid"] = AGENT.key_id
    return record(envelope)


def _retyped(payload: Json) -> Json:
    return record({**sealed(payload, kind=COMMAND_TYPE), "payloadType": MANIFEST_TYPE})


def content() -> Json:
    """Make the file's content."""
    return {
        "deployment": DEPLOYMENT,
        "agent": {"seed": AGENT.seed.hex(), "public": b64(AGENT.public), "key_id": AGENT.key_id},
        "kek": KEK,
        "cases": cases(),
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(content(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
