"""A deployment with two custodians on a real broker, seen through a follower of the test's own."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from aiokafka import AIOKafkaProducer

from aegis_stream.client.follow import ControlFollower
from aegis_stream.control import Command, Outcome, Result, TopicKey, sign_command
from aegis_stream.control.signing import approve
from aegis_stream.control.topic_keys import Slot
from aegis_stream.encryption import RotationSchedule
from aegis_stream.keyring.dsse import Envelope, Kind
from aegis_stream.keyring.entries import CustodianEntry, KeyState, Role
from aegis_stream.keyring.state_file import StateFile
from aegis_stream.signature import HybridSignature
from tests.support.control_topic import make_topic, publish, until
from tests.support.control_world import RECOVERY, RISK, SECURITY
from tests.support.keyrings import AGENT, Deployment
from topologies.rotation_agent import RotationAgent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aegis_stream.client.control_session import ControlRecord
    from aegis_stream.control.command import Arguments
    from aegis_stream.control.signing import CustodianSigner
    from aegis_stream.keyring.keyring import Keyring
    from aegis_stream.keyring.maker import Change
    from aegis_stream.keyring.manifest import Manifest

TIMEOUT_S = 20.0


def utc_now() -> dt.datetime:
    """Return the real time."""
    return dt.datetime.now(dt.UTC)


def with_custodians(name: str, *, started: dt.datetime | None = None) -> tuple[Deployment, Change]:
    """Return a deployment, and its second change, which names both custodians and the recovery key."""
    started = started or utc_now() - dt.timedelta(seconds=5)
    deployment = Deployment(name=name, started=started)
    since = started - dt.timedelta(days=1)
    second = deployment.amend(
        started,
        custodians=(
            CustodianEntry(Role.RISK_LEAD, RISK.public, KeyState.CURRENT, since),
            CustodianEntry(Role.SECURITY_LEAD, SECURITY.public, KeyState.CURRENT, since),
        ),
        recovery_key=RECOVERY.public,
    )
    return deployment, second


@dataclass
class Rotation:
    """The control topic of one test and everybody around it; an async context manager that follows it.

    `results`: the agent's answers by command id, each verified, in the order of their coming.  `manifests`: every one
    that was taken.  `records`: everything read.
    """

    kafka: str
    topic: str
    deployment: Deployment
    state: StateFile
    results: dict[str, list[Result]] = field(default_factory=dict)
    manifests: list[Manifest] = field(default_factory=list)
    records: list[ControlRecord] = field(default_factory=list)

    @classmethod
    async def begin(cls, kafka: str, name: str, folder: Path, **topic_settings: str) -> Self:
        """Make the topic and its first manifest."""
        deployment, second = with_custodians(f"d.{name}"[:100])
        topic = f"control.{name}"
        await make_topic(kafka, topic, **{"cleanup_policy": "compact", **topic_settings})
        await publish(kafka, topic, deployment.first, second)
        return cls(
            kafka, topic, deployment, StateFile(folder / f"{deployment.name}.agent.json", deployment=deployment.name)
        )

    async def __aenter__(self) -> Self:
        """Begin to follow."""
        self.keyring: Keyring = self.deployment.keyring()
        self._producer = AIOKafkaProducer(bootstrap_servers=self.kafka, enable_idempotence=True)
        await self._producer.start()
        self._follower = ControlFollower(
            self.keyring, connection={"bootstrap_servers": self.kafka}, topic=self.topic, on_record=self._saw
        )
        await self._follower.__aenter__()
        await self._follower.wait_ready(TIMEOUT_S)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop following."""
        await self._follower.__aexit__()
        await self._producer.stop()

    @property
    def manifest(self) -> Manifest:
        """The manifest in force."""
        manifest = self.keyring.manifest
        assert manifest is not None
        return manifest

    def agent(self, **options: Any) -> RotationAgent:  # noqa: ANN401 - any option
        """Return an agent, not yet run; never rotating by itself unless told to."""
        return RotationAgent(
            **{
                "deployment": self.deployment.name,
                "signer": AGENT,
                "connection": {"bootstrap_servers": self.kafka},
                "topic": self.topic,
                "state_file": self.state,
                "schedule": RotationSchedule.parse("off"),
                **options,
            }
        )

    @contextlib.asynccontextmanager
    async def running(self, **options: Any) -> AsyncIterator[RotationAgent]:  # noqa: ANN401 - any option
        """Run an agent, ready to be asked, until the block ends; a failure of its own fails the test."""
        stop = asyncio.Event()
        agent = self.agent(**options)
        task = asyncio.create_task(agent.run(stop))
        try:
            await until(lambda: task.done() or agent.ready)
            yield agent
        finally:
            stop.set()
            await asyncio.wait_for(task, TIMEOUT_S)

    def command(self, arguments: Arguments, **changes: Any) -> Command:  # noqa: ANN401 - any option of Command.new
        """Make a command of this moment."""
        return Command.new(
            arguments, **{"deployment": self.deployment.name, "reason": "a test", "now": utc_now(), **changes}
        )

    async def write(self, *records: tuple[str, bytes | None]) -> None:
        """Write records as anybody may, and wait until they are acknowledged."""
        sent = [await self._producer.send(self.topic, value, key=key.encode(), partition=0) for key, value in records]
        await asyncio.gather(*sent)

    async def give(self, command: Command, first: CustodianSigner = RISK, **approvals: CustodianSigner) -> str:
        """Publish a signed command and the approvals under the slots named (`security_lead=…`); returns its id."""
        await self.write(*signed_records(command, first, **approvals))
        return command.id

    async def answer(self, command_id: str, *, number: int = 1) -> Result:
        """Return the agent's answer, or the `number`th where it gives several, once it is there."""
        await until(lambda: len(self.results.get(command_id, [])) >= number)
        return self.results[command_id][number - 1]

    async def ask(self, arguments: Arguments, **approvals: CustodianSigner) -> Result:
        """Give a command as the Risk Lead and return the answer, which must say that it was executed."""
        result = await self.answer(await self.give(self.command(arguments), **approvals))
        assert result.outcome is Outcome.EXECUTED, result
        return result

    async def ask_both(self, arguments: Arguments) -> Result:
        """Give a command that both custodians sign."""
        return await self.ask(arguments, security_lead=SECURITY)

    def _saw(self, record: ControlRecord) -> None:
        self.records.append(record)
        manifest = self.keyring.manifest
        if record.key == "manifest" and manifest is not None and manifest not in self.manifests:
            self.manifests.append(manifest)
        key = TopicKey.parse(record.key or "")
        if key is not None and key.kind is Kind.RESULT and record.value is not None:
            result = verified_result(record.value)
            if result is not None:
                self.results.setdefault(key.command_id, []).append(result)


def signed_records(
    command: Command, first: CustodianSigner = RISK, **approvals: CustodianSigner
) -> list[tuple[str, bytes | None]]:
    """Return the records of a command and its approvals."""
    envelope = sign_command(command, first)
    records: list[tuple[str, bytes | None]] = [(TopicKey(Kind.COMMAND, command.id).text, envelope.to_bytes())]
    for name, signer in approvals.items():
        key = TopicKey(Kind.APPROVAL, command.id, Slot(name.replace("_", "-")))
        records.append((key.text, approve(envelope, signer).to_bytes()))
    return records


def verified_result(value: bytes) -> Result | None:
    """Return an answer that the agent has signed, None for any other bytes."""
    try:
        envelope = Envelope.parse(value, Kind.RESULT)
    except Exception:  # noqa: BLE001 - anybody may write anything
        return None
    if not envelope.verified_by(lambda _, message, signature: HybridSignature.verify(AGENT.public, message, signature)):
        return None
    return Result.from_payload(envelope.payload)
