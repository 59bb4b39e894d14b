"""Give users of a secure test broker rights, through aiokafka's own protocol classes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

LITERAL, PREFIXED = 3, 4
PERMISSION_ALLOW = 3


class Resource(IntEnum):
    """Kinds of things that rights are about, as Kafka numbers them."""

    TOPIC = 2
    GROUP = 3
    TRANSACTIONAL_ID = 5


class Operation(IntEnum):
    """What can be allowed, as Kafka numbers it."""

    ALL = 2
    READ = 3
    WRITE = 4
    CREATE = 5
    DESCRIBE = 8
    DESCRIBE_CONFIGS = 10


@dataclass(frozen=True, slots=True)
class Grant:
    """One right of one user; with `prefix` for every name that begins with `name`."""

    user: str
    operation: Operation
    resource: Resource
    name: str
    prefix: bool = False


async def allow(connection: Mapping[str, Any], *grants: Grant) -> None:
    """Give the rights, as the super user that `connection` (an aiokafka client's arguments) logs in as.

    Raises RuntimeError: the broker refuses one of them.
    """
    from aiokafka.admin import AIOKafkaAdminClient  # noqa: PLC0415 -- `make kafka` does without
    from aiokafka.protocol.admin import CreateAclsRequest  # noqa: PLC0415 -- the same

    admin = AIOKafkaAdminClient(**connection)
    await admin.start()
    try:
        for grant in grants:
            pattern = PREFIXED if grant.prefix else LITERAL
            principal = f"User:{grant.user}"
            request = CreateAclsRequest(
                grant.resource, grant.name, pattern, principal, "*", grant.operation, PERMISSION_ALLOW
            )
            answer = await admin._send_to_controller(request)  # noqa: SLF001 -- aiokafka has no call for ACLs
            for code, message in answer.creation_responses:
                if code:
                    raise RuntimeError(f"the broker refuses {grant}: {message or code}")
    finally:
        await admin.close()
