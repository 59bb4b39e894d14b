"""Encrypted history for tests: events under several DEK versions, as enrichers have written them over the years."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from aegis_stream.encryption import PIIEncryptor, Protected
from tests.support.enrichment import utc_now
from tests.support.keyrings import ENRICHER, KEK_PAIR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiokafka import ConsumerRecord

    from tests.support.enrichment import Stage


COMMAND = [sys.executable, "-m", "aegis_stream"]


@dataclass(frozen=True, kw_only=True)
class Old:
    """One record of history: its key, headers and time are made from its number; `value` in place of an event."""

    number: int
    partition: int
    timestamp_ms: int
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    key: bytes | None = None


def event(number: int) -> dict[str, Any]:
    """Return a plain event with a few sensitive members, one of them no string."""
    return {"event_id": f"e-{number}", "actor_id": f"actor-{number}", "amount": number, "ip_address": None, "n": number}


class History:
    """Writes events under whichever version is active in the stage's deployment at that moment."""

    def __init__(self, stage: Stage, *, began_ms: int | None = None) -> None:
        """Begin with event 0; `began_ms`: its time, an hour ago without it."""
        self.stage = stage
        self.written: list[Old] = []
        self.began_ms = began_ms or int(utc_now().timestamp() * 1000) - 3_600_000

    async def write(self, count: int) -> None:
        """Write events, to every partition in turn, each with a key, a header and a time of its own."""
        deployment = self.stage.deployment
        active = deployment.manifest.active
        encryptor = PIIEncryptor(
            public_key=deployment.records[active.version.text].public_key,
            dek_version=active.version.text,
            policy=deployment.manifest.policy_of(active),
            signer=ENRICHER,
        )
        first, partitions = len(self.written), self.stage.partitions
        numbers = range(first, first + count)
        sources = [f"{self.stage.raw}/{number % partitions}/{number // partitions}" for number in numbers]
        results = encryptor.protect_batch([orjson.dumps(event(number)) for number in numbers], sources=sources)
        values = [result.value for result in results if isinstance(result, Protected)]
        assert len(values) == count
        await self.put([self._old(number, value) for number, value in zip(numbers, values, strict=True)])

    async def put(self, records: Sequence[Old]) -> None:
        """Write any records."""
        async with AIOKafkaProducer(**self.stage.connection, enable_idempotence=True) as producer:
            sent = [
                await producer.send(
                    self.stage.encrypted,
                    one.value,
                    key=one.key,
                    partition=one.partition,
                    timestamp_ms=one.timestamp_ms,
                    headers=list(one.headers),
                )
                for one in records
            ]
            await asyncio.gather(*sent)
        self.written += records

    def odd(self, value: bytes | None, *, partition: int = 0, key: bytes | None = b"odd") -> Old:
        """Return a record that no enricher has written."""
        number = len(self.written)
        return Old(number=number, partition=partition, timestamp_ms=self.began_ms + number, value=value, key=key)

    def _old(self, number: int, value: bytes) -> Old:
        return Old(
            number=number,
            partition=number % self.stage.partitions,
            timestamp_ms=self.began_ms + 1000 * number,
            value=value,
            headers=(("trace", b"%d" % number), ("empty", None)),
            key=b"pseudonym-%d" % (number % 5),
        )

    async def rotate(self) -> str:
        """Make the next version active; returns its text."""
        await self.stage.publish(self.stage.deployment.rotate(utc_now()))
        return self.stage.deployment.active


def of_partition(records: Sequence[ConsumerRecord[bytes, bytes]], partition: int) -> list[tuple[Any, ...]]:
    """Return what must be kept of one partition's records, in order."""
    found = sorted((record for record in records if record.partition == partition), key=lambda record: record.offset)
    return [(record.key, record.timestamp, tuple(record.headers)) for record in found]


def kept(written: Sequence[Old], partition: int) -> list[tuple[Any, ...]]:
    """Return the same of what was written."""
    return [(one.key, one.timestamp_ms, one.headers) for one in written if one.partition == partition]


async def make_topic(connection: Mapping[str, Any], name: str, partitions: int, **settings: str) -> None:
    """Make a topic and wait until it is told of."""
    admin = AIOKafkaAdminClient(**connection)
    await admin.start()
    try:
        configs = {key.replace("_", "."): value for key, value in settings.items()}
        await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=configs)])
        while (await admin.describe_topics([name]))[0]["error_code"]:  # noqa: ASYNC110 - Kafka tells only when asked
            await asyncio.sleep(0.02)
    finally:
        await admin.close()


def reader_environment(stage: Stage) -> dict[str, str]:
    """Return the variables of a process that holds the KEK and a session-signing key."""
    return stage.environment() | {
        "AEGIS_MASTER_KEK_PRIVATE": base64.b64encode(KEK_PAIR.private).decode(),
        "AEGIS_MASTER_KEK_PUBLIC": base64.b64encode(KEK_PAIR.public).decode(),
        "AEGIS_READER_GROUP": f"{stage.name}.reader",
    }


class ReencryptorProcess:
    """`aegis run reencryptor --json` in a process of its own."""

    def __init__(self, environment: Mapping[str, str], *options: str) -> None:
        """Say what it is told."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AEGIS_")}
        self._environment = {**inherited, **environment}
        self._command = [*COMMAND, "run", "reencryptor", "--json", *options]

    def __enter__(self) -> Self:
        """Start it."""
        self.process = subprocess.Popen(
            self._command, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        """See that it is gone."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def kill_after(self, records: int) -> dict[str, Any]:
        """Kill it with SIGKILL once its progress tells of so many records; returns that line."""
        assert self.process.stdout is not None
        for text in self.process.stdout:
            line: dict[str, Any] = orjson.loads(text)
            if line["read"] >= records and line["left"] > 0:
                self.process.send_signal(signal.SIGKILL)
                self.process.wait()
                return line
        raise AssertionError(f"ended before {records} records: {self.process.communicate()[1][-2_000:]}")

    def account(self, *, code: int = 0) -> dict[str, Any]:
        """Wait for the end, and return the last line."""
        out, err = self.process.communicate(timeout=60)
        assert self.process.returncode == code, (out[-1_000:], err[-3_000:])
        line: dict[str, Any] = orjson.loads(out.splitlines()[-1])
        assert line["event"] == "account"
        return line
