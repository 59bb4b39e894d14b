"""The reader in Go on what stands in a real Kafka: a deployment's control topic and its encrypted topic."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from aegis_stream.integrations.followed import FollowedWriter
from tests.support.enrichment import RawRecord, Stage, utc_now
from tests.support.go_reader import GoReader
from tests.support.keyrings import AGENT, KEK_PAIR
from tools.golang import go

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aiokafka import ConsumerRecord

pytestmark = pytest.mark.kafka


def line_of(record: ConsumerRecord[bytes, bytes]) -> bytes:
    """Print a record as a console consumer does."""
    return record.key + b"\t" + (record.value or b"null") + b"\n"


async def test_it_reads_a_deployment_across_a_rotation(
    kafka: str, topic_name: Callable[[str], str], tmp_path: Path
) -> None:
    """Nothing but the topics, the agent's public key and a KEK: what any other language has."""
    stage = Stage({"bootstrap_servers": kafka}, topic_name("go"), tmp_path, partitions=1)
    await stage.create()
    events = [{"event_id": f"e-{number}", "actor_id": f"actor {number}"} for number in range(4)]
    versions = []
    for half in (events[:2], events[2:]):
        versions.append(stage.deployment.active)
        with FollowedWriter(stage.settings()) as writer:
            values = [writer.protect(json.dumps(event).encode()) for event in half]
        # The stage writes to the raw topic; here it stands in for the encrypted one.
        await stage.send([RawRecord(value=value) for value in values])
        await stage.publish(stage.deployment.rotate(utc_now()))
    (tmp_path / "control.tsv").write_bytes(b"".join(map(line_of, await stage.read_all(stage.control))))
    (tmp_path / "agent.pub").write_text(base64.b64encode(AGENT.public).decode())
    go("build", "-o", str(tmp_path / "go-reader"), ".")
    kek = {name: base64.b64encode(getattr(KEK_PAIR, name)).decode() for name in ("private", "public")}
    reader = GoReader(tmp_path / "go-reader", {"keks": [kek]}, tmp_path)
    lines = b"".join(record.value + b"\n" for record in await stage.read(stage.raw, 4))
    assert b"actor 1" not in lines
    control = ["-control", tmp_path / "control.tsv", "-agent", tmp_path / "agent.pub"]
    said = reader.run(lines, *map(str, control), "-deployment", stage.deployment.name)
    assert (said.returncode, said.stderr) == (0, b"")
    answers = [json.loads(line) for line in said.stdout.splitlines()]
    assert [one["event"] for one in answers] == events
    assert [one["dek"] for one in answers] == [versions[0]] * 2 + [versions[1]] * 2
