"""A bounded, plainly failing way to ask a broker about topics and groups."""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NoReturn, Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    AuthenticationFailedError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from aegis_stream.client.broker_errors import translated
from aegis_stream.errors import BrokerError, BrokerReason, BrokerUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

DEFAULT_TIMEOUT_S = 10.0
_WRONG_CREDENTIALS = (AuthenticationFailedError, SaslAuthenticationFailed, UnsupportedSaslMechanismError)


class Admin(AIOKafkaAdminClient):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka's administrator, one that only looks when it is asked to look."""

    async def _get_cluster_metadata(self, topics: Sequence[str] | None = None) -> Any:  # noqa: ANN401 - aiokafka's own
        """Ask without leave to create: the stock request lets a broker make every topic that is asked for."""
        return await self._send_request(MetadataRequest(topics, allow_auto_topic_creation=False))


@asynccontextmanager
async def administrator(connection: Mapping[str, Any], *, timeout_s: float = DEFAULT_TIMEOUT_S) -> AsyncIterator[Admin]:
    """Connect an administrator, and allow the whole block `timeout_s` seconds.

    connection: keyword arguments of an aiokafka client, bootstrap_servers among them.

    Raises BrokerUnavailableError (nobody answers, or not in time), BrokerError (wrong credentials, TLS, or what the
    broker refuses within the block).
    """
    admin = Admin(**{"request_timeout_ms": int(timeout_s * 1000), **connection})
    servers = connection["bootstrap_servers"]
    try:
        async with asyncio.timeout(timeout_s):
            with _Whispers() as whispers:
                try:
                    await admin.start()
                except KafkaConnectionError as error:
                    _refuse(servers, whispers.last or error)
            yield admin
    except TimeoutError as error:
        raise BrokerUnavailableError(
            BrokerReason.TIMEOUT,
            f"Kafka at {servers} did not answer within {timeout_s:g} s",
            remedy="look whether the broker is healthy and AEGIS_KAFKA_SECURITY_PROTOCOL is what it speaks",
        ) from error
    except KafkaError as error:
        raise translated(error, f"Kafka at {servers}") from error
    finally:
        await admin.close()


class _Whispers(logging.Handler):
    """Listens to aiokafka's log, the only place where it says why it could not connect."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        arguments = record.args if isinstance(record.args, tuple) else ()
        self.last = next((each for each in reversed(arguments) if isinstance(each, BaseException)), self.last)

    def __enter__(self) -> Self:
        logging.getLogger("aiokafka").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("aiokafka").removeHandler(self)


def _refuse(servers: object, cause: BaseException) -> NoReturn:
    """Raise what the failure to connect means to an operator."""
    if isinstance(cause, _WRONG_CREDENTIALS):
        raise BrokerError(
            BrokerReason.CREDENTIALS,
            f"Kafka at {servers} refuses this user or password",
            remedy="look at AEGIS_KAFKA_SASL_MECHANISM, …_USERNAME and …_PASSWORD",
        ) from cause
    if isinstance(cause, ssl.SSLError):
        raise BrokerError(
            BrokerReason.TLS,
            f"no TLS connection to Kafka at {servers}: {cause.reason or type(cause).__name__}",
            remedy="look at AEGIS_KAFKA_SSL_CAFILE, the host name in AEGIS_BROKER and AEGIS_KAFKA_SECURITY_PROTOCOL",
        ) from cause
    raise BrokerUnavailableError(
        BrokerReason.UNREACHABLE,
        f"Kafka at {servers} cannot be reached ({type(cause).__name__})",
        remedy="look at AEGIS_BROKER and AEGIS_KAFKA_SECURITY_PROTOCOL, and whether the broker runs",
    ) from cause
