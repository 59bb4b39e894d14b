"""The least rights on a broker for each role of a deployment; pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from aegis_stream.client.writer_ids import AGENT_ROLE, DESK_ROLE, reencryption_prefix, writer_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from aegis_stream.settings import Settings


class AclRole(StrEnum):
    """Who works with the broker."""

    ADMINISTRATOR = "administrator"
    PRODUCER = "producer"
    ENRICHER = "enricher"
    ROTATOR = "rotator"
    READER = "reader"
    OPERATOR = "operator"
    REENCRYPTOR = "reencryptor"
    REPLAYER = "replayer"
    DASHBOARD = "dashboard"


TASKS = {
    AclRole.ADMINISTRATOR: "makes and checks topics: `aegis topics create`, `aegis history prepare`",
    AclRole.PRODUCER: "writes raw events",
    AclRole.ENRICHER: "`aegis run enricher`",
    AclRole.ROTATOR: "`aegis run rotator`, and `aegis keys init` once",
    AclRole.READER: "decrypts events: `aegis consume`, the client library",
    AclRole.OPERATOR: "operators and custodians: commands, approvals, `aegis history audit`",
    AclRole.REENCRYPTOR: "`aegis run reencryptor`",
    AclRole.REPLAYER: "`aegis dead-letters`",
    AclRole.DASHBOARD: "`aegis dashboard`",
}


class AclResource(StrEnum):
    """What a right is about; the value is the option of kafka-acls."""

    TOPIC = "topic"
    GROUP = "group"
    TRANSACTIONAL_ID = "transactional-id"


class AclOperation(StrEnum):
    """What is allowed, as kafka-acls calls it.  Read and Write include Describe."""

    READ = "Read"
    WRITE = "Write"
    CREATE = "Create"
    DESCRIBE = "Describe"
    DESCRIBE_CONFIGS = "DescribeConfigs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acl:
    """Rights of one role on one name, or with `prefixed` on every name that begins so."""

    role: AclRole
    resource: AclResource
    name: str
    operations: tuple[AclOperation, ...]
    prefixed: bool = False

    def command(self, *, principal: str, bootstrap: str) -> str:
        """Return the command line of Kafka's own tool that adds them; `principal` as "User:name"."""
        parts = ["kafka-acls.sh", "--bootstrap-server", bootstrap, "--command-config", "admin.properties", "--add"]
        parts += ["--allow-principal", principal]
        for operation in self.operations:
            parts += ["--operation", operation.value]
        parts += [f"--{self.resource.value}", self.name]
        if self.prefixed:
            parts += ["--resource-pattern-type", "prefixed"]
        return shlex.join(parts)


def plan_acls(settings: Settings, *, roles: Collection[AclRole] | None = None) -> tuple[Acl, ...]:
    """Return the rights of these roles, or of all, for the names of `settings`; nothing else is needed cluster-wide."""
    rights = _rights(settings)
    return tuple(
        Acl(role=role, resource=resource, name=name.removesuffix("*"), operations=allowed, prefixed=name.endswith("*"))
        for role in AclRole
        if roles is None or role in roles
        for (resource, name), allowed in rights[role].items()
    )


_Rights = dict[AclRole, dict[tuple[AclResource, str], tuple[AclOperation, ...]]]


def _rights(settings: Settings) -> _Rights:
    """Return operations by role and name; a name that ends with `*`, which no name can, is a prefix."""
    read, write = (AclOperation.READ,), (AclOperation.WRITE,)
    read_set = (AclOperation.READ, AclOperation.DESCRIBE_CONFIGS)
    write_set = (AclOperation.WRITE, AclOperation.DESCRIBE_CONFIGS)
    both = (AclOperation.READ, AclOperation.WRITE)
    make = (AclOperation.CREATE, AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS)
    topic, group, transaction = AclResource.TOPIC, AclResource.GROUP, AclResource.TRANSACTIONAL_ID
    raw, encrypted, control = settings.topic_raw, settings.topic_encrypted, settings.topic_control
    letters, letter_marks = settings.topic_dead_letter, settings.topic_dead_letter_state
    jobs = f"{reencryption_prefix(settings.deployment)}*"
    return {
        AclRole.ADMINISTRATOR: {(topic, name): make for name in (raw, f"{encrypted}*", letters, letter_marks, control)},
        AclRole.PRODUCER: {(topic, raw): write},
        AclRole.ENRICHER: {
            (topic, raw): read,
            (topic, encrypted): write_set,
            (topic, letters): write_set,
            (topic, control): read,
            (group, settings.application_id): read,
        },
        AclRole.ROTATOR: {
            (topic, control): (*both, AclOperation.DESCRIBE_CONFIGS),
            (transaction, writer_id(settings.deployment, AGENT_ROLE)): write,
        },
        AclRole.READER: {
            (topic, encrypted): read,
            (topic, control): read,
            (group, f"{settings.reader_group}*"): read,
        },
        AclRole.OPERATOR: {
            (topic, control): both,
            (topic, f"{encrypted}*"): read_set,
            (topic, letters): read,
            (topic, letter_marks): read,
        },
        AclRole.REENCRYPTOR: {
            (topic, encrypted): read_set,
            (topic, f"{encrypted}-*"): write_set,
            (topic, control): read,
            (group, jobs): read,
            (transaction, jobs): write,
        },
        AclRole.REPLAYER: {
            (topic, letters): read,
            (topic, letter_marks): both,
            (topic, raw): (*both, AclOperation.DESCRIBE_CONFIGS),
            (topic, control): read,
            (transaction, writer_id(settings.deployment, DESK_ROLE)): write,
        },
        AclRole.DASHBOARD: {
            (topic, control): read,
            (topic, letters): read,
            (topic, letter_marks): read,
        },
    }


def commands(acls: Iterable[Acl], *, principals: Mapping[AclRole, str], bootstrap: str) -> list[str]:
    """Return command lines, with a comment before those of each role.  principals: "User:name" by role."""
    lines: list[str] = []
    last: AclRole | None = None
    for acl in acls:
        if acl.role is not last:
            lines.append(f"# {acl.role.value}: {TASKS[acl.role]}")
            last = acl.role
        lines.append(acl.command(principal=principals[acl.role], bootstrap=bootstrap))
    return lines
