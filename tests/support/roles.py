"""A deployment on a broker with an authorizer, where every role logs in as itself and may do no more than its part."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError, TransactionalIdAuthorizationFailed

from aegis_stream.client.topics.acls import AclOperation, AclResource, AclRole, plan_acls
from aegis_stream.client.topics.admin import administrator
from aegis_stream.client.topics.survey import may_use_group
from aegis_stream.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from aegis_stream.client.topics.acls import Acl
    from aegis_stream.settings import Settings
    from tools.kafka.security import Security

REFUSED_CODES = {29, 31}
"""TOPIC_AUTHORIZATION_FAILED, CLUSTER_AUTHORIZATION_FAILED."""


@dataclass(frozen=True)
class Roles:
    """Runs `aegis`, the program in `program`, as any role; keys lie in `folder`/keys."""

    security: Security
    folder: Path
    name: str
    program: Path

    def variables(self, role: AclRole) -> dict[str, str]:
        """Return the settings of a role: its login, and the keys that it holds and no others."""
        keys = self.folder / "keys"
        kek = {
            "AEGIS_MASTER_KEK_PRIVATE_FILE": str(keys / "kek.key"),
            "AEGIS_MASTER_KEK_PUBLIC_FILE": str(keys / "kek.pub"),
        }
        session = {
            "AEGIS_SESSION_SIGNING_KEY_FILE": str(keys / "session-signing-enricher.key"),
            "AEGIS_PSEUDONYM_KEY_FILE": str(keys / "pseudonym.key"),
        }
        held = {
            AclRole.ENRICHER: session,
            AclRole.ROTATOR: {
                "AEGIS_AGENT_SIGNING_KEY_FILE": str(keys / "agent-signing.key"),
                "AEGIS_MASTER_KEK_PUBLIC_FILE": str(keys / "kek.pub"),
                "AEGIS_MANIFEST_INTERVAL_S": "1",
            },
            AclRole.READER: kek,
            AclRole.REENCRYPTOR: kek | session,
            AclRole.REPLAYER: kek,
        }.get(role, {})
        trust = {"AEGIS_AGENT_PUBLIC_KEY_FILE": str(keys / "agent-signing.pub")} if keys.exists() else {}
        return self.names() | self.login(role) | trust | (held if keys.exists() else {})

    def names(self) -> dict[str, str]:
        """Return what all roles have in common."""
        topics = ("RAW", "ENCRYPTED", "DEAD_LETTER", "DEAD_LETTER_STATE", "CONTROL")
        return {
            "AEGIS_BROKER": self.security.bootstrap,
            "AEGIS_DEPLOYMENT": self.name,
            "AEGIS_APPLICATION_ID": f"{self.name}-enricher",
            "AEGIS_READER_GROUP": f"{self.name}-reader",
            "AEGIS_WEB_PORT": "off",
            **{f"AEGIS_TOPIC_{part}": f"{self.name}.{part.lower().replace('_', '-')}" for part in topics},
        }

    def login(self, role: str) -> dict[str, str]:
        """Return how a role comes in: over TLS, by SCRAM."""
        return {
            "AEGIS_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "AEGIS_KAFKA_SASL_USERNAME": role,
            "AEGIS_KAFKA_SASL_PASSWORD": self.security.users[role],
            "AEGIS_KAFKA_SSL_CAFILE": str(self.security.ca_path),
            "AEGIS_STATE_DIR": str(self.folder / f"state-{role}"),
        }

    def settings(self) -> Settings:
        """Return settings with the names of this deployment."""
        fields = {name.removeprefix("AEGIS_").lower(): value for name, value in self.names().items()}
        return load_settings(**fields)

    def environment(self, role: AclRole) -> dict[str, str]:
        """Return the environment of a process of a role."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AEGIS_")}
        return {**inherited, **self.variables(role)}

    def run(self, role: AclRole, *arguments: str, code: int = 0) -> str:
        """Run `aegis` as a role and return its standard output; fails where it ends with another code."""
        ended = subprocess.run(
            [self.program, *arguments],
            env=self.environment(role),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert ended.returncode == code, (role, arguments, ended.stdout[-1_000:], ended.stderr[-3_000:])
        return ended.stdout

    @contextmanager
    def running(self, role: AclRole, *arguments: str, said: bytes) -> Iterator[None]:
        """Let `aegis` work as a role in the background, once it has said something on standard error."""
        log = self.folder / f"{role}.log"
        with log.open("wb") as file:
            command = [sys.executable, "-m", "aegis_stream", *arguments]
            process = subprocess.Popen(command, env=self.environment(role), stderr=file, stdout=file)
        try:
            deadline = time.monotonic() + 60
            while said not in log.read_bytes():
                assert process.poll() is None, log.read_text()[-3_000:]
                assert time.monotonic() < deadline, log.read_text()[-3_000:]
                time.sleep(0.05)
            yield
            process.terminate()
            assert process.wait(timeout=30) == 0, log.read_text()[-3_000:]
        finally:
            process.kill()
            process.wait()


def allows(acls: tuple[Acl, ...], role: AclRole, resource: AclResource, name: str, operation: AclOperation) -> bool:
    """Tell whether rights cover an operation."""
    return any(
        acl.role is role
        and acl.resource is resource
        and operation in acl.operations
        and (name.startswith(acl.name) if acl.prefixed else name == acl.name)
        for acl in acls
    )


class Tried(NamedTuple):
    """What was tried that may not be done: what was refused, and what was allowed all the same."""

    refused: list[str]
    allowed: list[str]

    def note(self, what: str, *, allowed: bool) -> None:
        """Note one attempt."""
        (self.allowed if allowed else self.refused).append(what)


async def try_everything_else(roles: Roles, role: AclRole, topics: Mapping[str, str]) -> Tried:
    """Try everything that a role may not do.  topics: their names by what they are called here."""
    acls = plan_acls(roles.settings())
    connection = roles.security.scram(role)
    tried = Tried([], [])
    async with administrator(connection, timeout_s=60) as admin:
        codes = {each["topic"]: each["error_code"] for each in await admin.describe_topics(list(topics.values()))}
        assert set(codes.values()) <= {0, *REFUSED_CODES}
        if role is not AclRole.ADMINISTRATOR:
            answer = await admin.create_topics([NewTopic(f"{topics['raw']}-by-{role}", 1, 1)])
            tried.note("create", allowed=answer.topic_errors[0][1] not in REFUSED_CODES)
        for name in ("-enricher", "-reader", ".reencrypt.x", "-stranger"):
            if not allows(acls, role, AclResource.GROUP, roles.name + name, AclOperation.READ):
                tried.note(f"group {name}", allowed=await may_use_group(admin, roles.name + name))
    for called, topic in topics.items():
        if not any(allows(acls, role, AclResource.TOPIC, topic, operation) for operation in AclOperation):
            tried.note(f"see {called}", allowed=codes[topic] == 0)
        elif not allows(acls, role, AclResource.TOPIC, topic, AclOperation.READ):
            tried.note(f"read {called}", allowed=await may_read(connection, topic))
        if codes[topic] == 0 and not allows(acls, role, AclResource.TOPIC, topic, AclOperation.WRITE):
            tried.note(f"write {called}", allowed=await may_write(connection, topic))
    for name in ("-rotation-agent", "-dead-letter-desk", ".reencrypt.x"):
        if not allows(acls, role, AclResource.TRANSACTIONAL_ID, roles.name + name, AclOperation.WRITE):
            tried.note(f"transactional id {name}", allowed=await may_begin(connection, roles.name + name))
    return tried


async def may_read(connection: Mapping[str, Any], topic: str) -> bool:
    """Fetch once."""
    consumer = AIOKafkaConsumer(**connection, group_id=None, enable_auto_commit=False)
    await consumer.start()
    try:
        place = TopicPartition(topic, 0)
        consumer.assign([place])
        consumer.seek(place, 0)
        async with asyncio.timeout(30):
            await consumer.getmany(place, timeout_ms=5_000)
    except TopicAuthorizationFailedError:
        return False
    finally:
        await consumer.stop()
    return True


async def may_write(connection: Mapping[str, Any], topic: str) -> bool:
    """Write one record."""
    producer = AIOKafkaProducer(**connection)
    await producer.start()
    try:
        async with asyncio.timeout(30):
            await producer.send_and_wait(topic, b"by somebody who may not", partition=0)
    except TopicAuthorizationFailedError:
        return False
    finally:
        await producer.stop()
    return True


async def may_begin(connection: Mapping[str, Any], transactional_id: str) -> bool:
    """Begin a transactional producer."""
    producer = AIOKafkaProducer(**connection, transactional_id=transactional_id)
    try:
        async with asyncio.timeout(30):
            await producer.start()
    except TransactionalIdAuthorizationFailed:
        return False
    except KafkaError as error:
        raise AssertionError(f"refused in another way: {type(error).__name__}") from error
    finally:
        await producer.stop()
    return True
