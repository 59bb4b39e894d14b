"""Turn aiokafka's errors into ours, with what the operator can do."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from aiokafka import errors as kafka_errors

from aegis_stream.errors import BrokerError, BrokerReason, BrokerUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def our_broker_errors(doing: str) -> Iterator[None]:
    """Raise BrokerError or BrokerUnavailableError instead of whatever aiokafka raises inside; `doing` begins the text.

    An aiokafka error quotes no record and no password, but its class is the vendor's: callers catch one tree.
    """
    found: BrokerError | None = None
    try:
        yield
    except kafka_errors.KafkaError as error:
        found = translated(error, doing)
    if found is not None:
        raise found


def translated(error: kafka_errors.KafkaError, doing: str) -> BrokerError:
    """Return our error for one of aiokafka's."""
    if isinstance(error, kafka_errors.TopicAuthorizationFailedError):
        return BrokerError(
            BrokerReason.TOPIC_REFUSED,
            f"{doing}: the broker refuses access to the topic",
            remedy="grant the user its ACL",
        )
    if isinstance(error, kafka_errors.GroupAuthorizationFailedError):
        return BrokerError(
            BrokerReason.GROUP_REFUSED,
            f"{doing}: the broker refuses access to the consumer group",
            remedy="grant the user Read on the group",
        )
    if isinstance(error, kafka_errors.TransactionalIdAuthorizationFailed):
        return BrokerError(
            BrokerReason.TRANSACTION_REFUSED,
            f"{doing}: the broker refuses the transactional id",
            remedy="grant the user Write on the transactional id; `aegis topics acls` prints it",
        )
    if isinstance(error, kafka_errors.UnknownTopicOrPartitionError):
        return BrokerError(
            BrokerReason.TOPIC_MISSING, f"{doing}: there is no such topic", remedy="run `aegis topics create`"
        )
    if isinstance(error, kafka_errors.MessageSizeTooLargeError):
        return BrokerError(
            BrokerReason.TOPIC_SETTINGS,
            f"{doing}: the record is larger than the topic takes",
            remedy="`aegis topics check` shows the limits",
        )
    return BrokerUnavailableError(
        BrokerReason.UNREACHABLE,
        f"{doing}: {type(error).__name__}",
        remedy="check AEGIS_BROKER, and AEGIS_KAFKA_… where the broker asks for TLS or a password",
    )
