"""Every role does its work with the rights that `aegis topics acls` prints, and is refused beyond them.

With Kafka's own tool, a broker with an authorizer, and each role as processes of its own; too long for `make test`.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from aegis_stream.client.topics.acls import AclRole
from tests.integration.conftest import create_topic
from tests.support.quick_aegis import QuickAegis
from tests.support.roles import Roles, try_everything_else
from tools.kafka.acl_commands import run_acl_commands

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.kafka import KafkaServer

pytestmark = [pytest.mark.kafka, pytest.mark.chaos]

EVENTS = 24


@pytest.fixture
def roles(kafka_secure: KafkaServer, tmp_path: Path) -> Iterator[Roles]:
    """Return the roles of a new deployment, which have no rights yet."""
    name = f"roles-{os.getpid()}-{time.time_ns() % 10**9}"
    with tempfile.TemporaryDirectory(prefix="aegis-") as folder, QuickAegis(Path(folder)) as quick:
        yield Roles(kafka_secure.security, tmp_path, name, quick.folder / "aegis")


@pytest.mark.timeout(600)
def test_each_role_does_its_work_with_its_rights_and_no_more(roles: Roles) -> None:
    """From an empty broker to a replayed dead letter and a destroyed DEK; then everything that each may not do."""
    printed = roles.run(AclRole.ADMINISTRATOR, "topics", "acls").splitlines()
    run_acl_commands(roles.security, printed)
    shown = orjson.loads(roles.run(AclRole.ADMINISTRATOR, "topics", "acls", "--json"))["acls"]
    assert [acl["command"] for acl in shown] == [line for line in printed if not line.startswith("#")]
    assert {acl["role"] for acl in shown} == set(AclRole)

    roles.run(AclRole.ADMINISTRATOR, "topics", "create", "--partitions", "2", "--replication", "1")
    roles.run(AclRole.ADMINISTRATOR, "topics", "check", "--replication", "1")
    people = ("risk-lead", "security-lead")
    for person in people:
        roles.run(AclRole.OPERATOR, "custodian", "new", "--out", f"{person}.key")
    options = [f"--{person}={person}.pub" for person in people]
    roles.run(AclRole.ROTATOR, "keys", "init", *options, "--out", "keys", "--kek-out", "keys/kek.key")
    with (
        roles.running(AclRole.ROTATOR, "run", "rotator", said=b'"started"'),
        roles.running(AclRole.ENRICHER, "run", "enricher", said=b"events may pass"),
    ):
        roles.run(AclRole.PRODUCER, "produce", "--generate", str(EVENTS))
        consumed = roles.run(AclRole.READER, "consume", "--count", str(EVENTS))
        assert len(consumed.splitlines()) == EVENTS
        asyncio.run(write_bad(roles))
        old = orjson.loads(roles.run(AclRole.OPERATOR, "keys", "list", "--json"))["deks"][0]["version"]
        roles.run(AclRole.OPERATOR, "rotate", "--key", "risk-lead.key", "--yes")
        until_letters(roles, 1)
        roles.run(AclRole.REPLAYER, "dead-letters", "replay", "--all", "--yes")
        until_letters(roles, 1)  # it is refused again, for the same reason
        roles.run(AclRole.REPLAYER, "dead-letters", "discard", "--all", "--yes")

    new = f"{roles.name}.encrypted-2"
    roles.run(AclRole.ADMINISTRATOR, "history", "prepare", new)
    account = roles.run(AclRole.REENCRYPTOR, "run", "reencryptor", "--to", new, "--json").splitlines()[-1]
    assert orjson.loads(account)["reencrypted"] == EVENTS
    roles.run(AclRole.OPERATOR, "history", "audit", "--topic", new)
    roles.run(AclRole.OPERATOR, "history", "refused", f"{new}.refused")
    roles.run(AclRole.OPERATOR, "destroy", old, "--key", "risk-lead.key", "--yes", code=1)
    with roles.running(AclRole.DASHBOARD, "dashboard", "--port", "0", said=b"dashboard on http"):
        pass
    asyncio.run(nobody_does_more(roles))


async def write_bad(roles: Roles) -> None:
    """Write what is no event, as a producer may."""
    async with AIOKafkaProducer(**roles.security.scram(AclRole.PRODUCER)) as producer:
        await producer.send_and_wait(f"{roles.name}.raw", b"no json", partition=0)


def until_letters(roles: Roles, count: int) -> None:
    """Wait until so many dead letters are open."""
    deadline = time.monotonic() + 60
    while True:
        listed = orjson.loads(roles.run(AclRole.REPLAYER, "dead-letters", "list", "--json"))
        if len(listed["letters"]) == count:
            return
        assert time.monotonic() < deadline, listed
        time.sleep(0.3)


async def nobody_does_more(roles: Roles) -> None:
    """Try every topic, group and transactional id as every role."""
    other = f"other-{roles.name}"
    await create_topic(roles.security.scram(), other)
    names = ["raw", "encrypted", "dead-letter", "dead-letter-state", "control", "encrypted-2", "encrypted-2.refused"]
    topics = {name: f"{roles.name}.{name}" for name in names} | {"other": other}
    refused = {}
    for role in AclRole:
        tried = await try_everything_else(roles, role, topics)
        assert tried.allowed == [], role
        refused[role] = set(tried.refused)
    # a few that matter most, in case the plan itself is too generous
    transactions = {"transactional id -rotation-agent", "transactional id -dead-letter-desk"}
    for role in set(AclRole) - {AclRole.ROTATOR, AclRole.REPLAYER}:
        assert transactions <= refused[role], role
    for role in (AclRole.READER, AclRole.OPERATOR, AclRole.DASHBOARD):
        assert {"see raw", "create", "group -enricher"} <= refused[role]
    assert {"write encrypted", "write control"} <= refused[AclRole.READER]
    assert "see encrypted" in refused[AclRole.PRODUCER]
    assert {"write raw", "read encrypted", "read dead-letter", "write control"} <= refused[AclRole.ENRICHER]
    assert {"see raw", "write encrypted", "write control", "read encrypted-2"} <= refused[AclRole.REENCRYPTOR]
    assert {"write control", "see encrypted", "write dead-letter"} <= refused[AclRole.DASHBOARD]
    assert {"see raw", "see encrypted", "see dead-letter"} <= refused[AclRole.ROTATOR]
    assert all("see other" in found for found in refused.values())
