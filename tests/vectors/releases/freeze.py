"""Freeze what the library writes today as the vectors of a release: `python -m tests.vectors.releases.freeze 0.1.0`.

Everything in the file is written by the code under release, with the randomness of that run, so it can be made once and
never again: a folder that is there is not touched.  Run it at the commit that is released.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aegis_stream.client.dead_letters import Mark, MarkState
from aegis_stream.control.arguments import RevokeDek, RotateDek
from aegis_stream.control.command import Command
from aegis_stream.control.result import Outcome, Result
from aegis_stream.control.signing import approve, sign_command
from aegis_stream.encryption import PIIEncryptor, Protected
from aegis_stream.errors import WriteReason
from aegis_stream.generator import generate_events
from aegis_stream.hybrid import HybridKEM, HybridPublicKey
from aegis_stream.keyring.dek_record import DekRecord
from aegis_stream.keyring.dsse import Envelope, Kind
from aegis_stream.keyring.entries import CustodianEntry, DekEntry, DekState, KeyState, Role, SignerEntry
from aegis_stream.keyring.maker import ManifestMaker
from aegis_stream.pii import Policy
from aegis_stream.sealing import SourceRecord, seal_record
from aegis_stream.session_signer import SessionSigner
from aegis_stream.signature import AgentSigner
from aegis_stream.wire import DekVersion
from aegis_stream.wrapping import unwrap_dek
from tests.support import vectors
from tests.support.control_world import custodian
from tests.support.keyrings import PlainKek
from tests.support.vector_keys import ENGINES

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = Path(__file__).parent
ROOT = Path(__file__).parents[3]
GENERATED = 8
ODD_MAX_BYTES = 2_000
LETTERS: tuple[tuple[WriteReason, bytes | None, bytes | None, tuple[tuple[str, bytes | None], ...]], ...] = (
    (WriteReason.NOT_JSON, b"key", b"\xff{broken", (("trace", b"1"), ("trace", None))),
    (WriteReason.NO_VALUE, b"key", None, ()),
    (WriteReason.TOO_LARGE, None, b"", (("", b""),)),
)
WIDE = Policy("wide", ("e-mail",), ("/people/*/phone", "/list/*"), ("workflow_id",))


def b64(raw: bytes | None) -> str | None:
    """Return base64, None for None."""
    return None if raw is None else base64.b64encode(raw).decode()


class Freezing:
    """One release: its keys, and what is written with them."""

    def __init__(self, now: dt.datetime) -> None:
        """Make a deployment of three DEKs: unsigned sessions, another policy, and today's."""
        self.now = now
        self.kek = HybridKEM.generate_keypair()
        self.agent = AgentSigner.from_seed(os.urandom(64))
        self.enricher = SessionSigner.from_seed(os.urandom(32))
        self.maker = ManifestMaker(self.agent)
        first = self.maker.first(
            deployment="frozen",
            kek_public_key=self.kek.public,
            policy=Policy.default(),
            enrichers=[SignerEntry(self.enricher.public, KeyState.CURRENT, 1)],
            now=now,
        )
        self.manifest, self.writes = first.manifest, list(first.writes)
        self.records = [DekRecord.from_bytes(first.writes[0][1])]
        self._rotate(signed=False, policy=self.manifest.policies[0])
        self._rotate(signed=True, policy=WIDE)

    def _rotate(self, *, signed: bool, policy: Policy) -> None:
        old = self.manifest.active
        record = DekRecord.generate(DekVersion.of(old.version.n + 1, self.now.date()), [self.kek.public])
        entry = DekEntry(record.version, DekState.ACTIVE, self.now, policy.id, signed, record.sha256)
        policies = {each.id: each for each in (*self.manifest.policies, policy)}
        older = [replace(each, state=DekState.DECRYPT_ONLY) for each in self.manifest.deks]
        people = tuple(CustodianEntry(role, custodian(role).public, KeyState.CURRENT, self.now) for role in Role)
        wanted = replace(self.manifest, deks=(*older, entry), policies=tuple(policies.values()), custodians=people)
        change = self.maker.change(self.manifest, wanted, [record], now=self.now)
        self.manifest = change.manifest
        self.writes += change.writes
        self.records.append(record)

    def deks(self) -> list[dict[str, object]]:
        """Return each version's keys, policy and rule about signatures."""
        kek = PlainKek(self.kek)
        shapes = []
        for record in self.records:
            version = record.version.text
            private = unwrap_dek(
                record.wraps[kek.kek_id], dek_version=version, dek_public_key=record.public_key, kek=kek
            )
            entry = next(each for each in self.manifest.deks if each.version == record.version)
            shapes.append(
                {
                    "version": version,
                    "private": b64(private.export()),
                    "public": b64(record.public_key),
                    "policy": self.manifest.policy_of(entry).to_json(),
                    "signed": entry.signed,
                }
            )
        return shapes

    def events(self) -> list[dict[str, object]]:
        """Return events under each version, by each engine, as enrichers and library users write them."""
        raw = [json.dumps(event).encode() for event in generate_events(seed=1, count=GENERATED)]
        odd = [case for case in vectors.load("bad_input") if case["outcome"] == "taken"]
        raw += [one for case in odd if len(one := vectors.restore(case["raw"])) < ODD_MAX_BYTES]
        shapes: list[dict[str, object]] = []
        for record in self.records:
            entry = next(each for each in self.manifest.deks if each.version == record.version)
            for engine in ENGINES:
                encryptor = PIIEncryptor(
                    public_key=record.public_key,
                    dek_version=record.version.text,
                    policy=self.manifest.policy_of(entry),
                    signer=self.enricher if entry.signed else None,
                    engine=engine,
                )
                sources = [f"aegis.raw/{number % 3}/{number}" for number in range(len(raw))] if entry.signed else None
                results = encryptor.protect_batch(raw, sources=sources)
                for number, (one, result) in enumerate(zip(raw, results, strict=True)):
                    if isinstance(result, Protected):  # what one policy takes another may find too deep
                        shapes.append(
                            {
                                "engine": engine,
                                "dek": record.version.text,
                                "source": None if sources is None else sources[number],
                                "raw": one.decode(),
                                "encrypted": result.value.decode(),
                            }
                        )
        return shapes

    def letters(self) -> list[dict[str, object]]:
        """Return sealed records with what is in them."""
        record = self.records[-1]
        shapes: list[dict[str, object]] = []
        for number, (reason, key, value, headers) in enumerate(LETTERS):
            sealed = seal_record(
                dek_public_key=HybridPublicKey.from_bytes(record.public_key),
                dek_version=record.version.text,
                source=SourceRecord("aegis.raw", 2, number),
                reason=reason,
                key=key,
                value=value,
                headers=headers,
            )
            shapes.append(
                {
                    "dek": record.version.text,
                    "source": f"aegis.raw/2/{number}",
                    "reason": reason.value,
                    "key": b64(key),
                    "value": b64(value),
                    "headers": [[name, b64(content)] for name, content in headers],
                    "sealed": b64(sealed),
                }
            )
        return shapes

    def marks(self) -> list[dict[str, str]]:
        """Return one mark of each state."""
        name = "aegis.raw/2/0"
        made = (
            Mark(id=name, state=MarkState.REPLAYING, at=self.now, attempt="ab" * 16, from_offset=5),
            Mark(id=name, state=MarkState.REPLAYED, at=self.now, replayed_offset=6),
            Mark(id=name, state=MarkState.DISCARDED, at=self.now, note="why"),
        )
        return [{"key": mark.id, "value": mark.to_bytes().decode()} for mark in made]

    def commands(self) -> list[dict[str, str]]:
        """Return commands with both signatures, and results."""
        shapes: list[dict[str, str]] = []
        for arguments in (RotateDek(), RevokeDek(self.records[0].version)):
            command = Command.new(arguments, deployment="frozen", reason="frozen", now=self.now)
            envelope = sign_command(command, custodian(Role.RISK_LEAD))
            approval = approve(envelope, custodian(Role.SECURITY_LEAD))
            result = Result(
                id=command.id, deployment="frozen", outcome=Outcome.EXECUTED, sequence=4, decided_at=self.now
            )
            signed = Envelope.sign(Kind.RESULT, result.to_payload(), [self.agent])
            shapes += [
                {"key": f"command/{command.id}", "value": envelope.to_bytes().decode()},
                {"key": f"approval/{command.id}/security-lead", "value": approval.to_bytes().decode()},
                {"key": f"result/{command.id}", "value": signed.to_bytes().decode()},
            ]
        return shapes

    def content(self, release: str) -> dict[str, object]:
        """Return all of it."""
        return {
            "release": release,
            "commit": _git("rev-parse", "HEAD"),
            "frozen_at": self.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "deployment": "frozen",
            "kek": {"private": b64(self.kek.private), "public": b64(self.kek.public)},
            "agent": b64(self.agent.public),
            "enricher": {"id": self.enricher.key_id, "public": self.enricher.public.hex()},
            "deks": self.deks(),
            "events": self.events(),
            "letters": self.letters(),
            "marks": self.marks(),
            "control": [{"key": key, "value": value.decode()} for key, value in self.writes],
            "commands": self.commands(),
        }


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    return done.stdout.strip()


def main(arguments: Sequence[str]) -> None:
    """Freeze a release.  Exits where it is not the project's version, or frozen already."""
    (release,) = arguments
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    target = FOLDER / release / "frozen.json"
    if release != version:
        sys.exit(f"the project's version is {version}")
    if _git("status", "--porcelain", "--", "aegis_stream", "native", "pyproject.toml"):
        sys.exit("what is frozen must be written by code that is committed")
    if target.exists():
        sys.exit(f"{target} is frozen and stays as it is")
    target.parent.mkdir(exist_ok=True)
    content = Freezing(dt.datetime.now(dt.UTC).replace(microsecond=0)).content(release)
    target.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
