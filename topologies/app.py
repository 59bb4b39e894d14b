"""The Faust application: its settings, its transport, and the order in which its parts start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import faust
from faust.app import BootStrategy
from faust.auth import SASLCredentials, SSLCredentials
from mode import Service

from aegis_stream.client.connection import connection_kwargs
from topologies.list_channel import ListChannel
from topologies.logs import SERVICE_LOG
from topologies.transport import AegisTransport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from aiokafka import AIOKafkaProducer
    from faust.types.auth import CredentialsT
    from faust.types.transports import ConsumerT, TransportT
    from mode import ServiceT

    from aegis_stream.settings import Settings
    from topologies.bulk_consumer import BulkConsumer
    from topologies.transport import IdempotentProducer

SESSION_TIMEOUT_S = 10.0
REBALANCE_TIMEOUT_S = 20.0
HEARTBEAT_S = 3.0
REQUEST_TIMEOUT_S = 40.0
"""Also how long a batch may wait for room before the wait begins anew."""

LIST_RECORDS = 1000
"""The most records of one list: enough to spread the cost of a list, few enough to be quick."""


class AegisConf(faust.Settings):
    """Faust's settings, deaf to the environment: there, WEB_BIND or PROCESSING_GUARANTEE would win over ours."""

    def getenv(self, env_name: str) -> None:
        """Know no variable; ours are read by aegis_stream.settings."""


class GroupGate(Service):
    """Lets the consumer join its group only once events may pass.

    A worker that cannot encrypt must not take partitions away from one that can.
    """

    logger = SERVICE_LOG

    def __init__(self, may_join: Callable[[], Awaitable[None]], **kwargs: Any) -> None:  # noqa: ANN401 - mode's own
        """`may_join` returns once it may."""
        super().__init__(**kwargs)
        self._may_join = may_join

    async def on_start(self) -> None:
        """Wait, or return when the application is stopped meanwhile."""
        await self.wait(self._may_join())


class AegisBoot(BootStrategy):
    """Faust's own order, with the gate before the consumer."""

    app: AegisApp

    def kafka_consumer(self) -> Iterable[ServiceT]:
        """Put the gate, and what opens it, first."""
        return [*self.app.before_group, *super().kafka_consumer()]


class AegisApp(faust.App):
    """A Faust application with our transport, which drains its pipeline before it gives up a partition."""

    logger = SERVICE_LOG

    BootStrategy = AegisBoot
    Settings = AegisConf

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 - Faust's own
        may_join: Callable[[], Awaitable[None]],
        drain: Callable[[int], Awaitable[None]],
        services: Iterable[ServiceT] = (),
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Take Faust's arguments and three of ours.

        may_join: see GroupGate.  drain: ends a generation, see Pipeline.drain.  services: started before the gate.
        """
        super().__init__(*args, **kwargs)
        self.before_group = [*services, GroupGate(may_join, beacon=self.beacon)]
        self.record_lists = ListChannel(self)
        self._drain = drain

    @property
    def bulk_consumer(self) -> BulkConsumer:
        """The consumer, which our transport made."""
        return cast("BulkConsumer", self.consumer)

    @property
    def idempotent_producer(self) -> AIOKafkaProducer:
        """The aiokafka producer of a started application."""
        return cast("IdempotentProducer", self.producer).client_producer

    def _new_consumer(self) -> ConsumerT:
        consumer = cast("BulkConsumer", super()._new_consumer())
        consumer.deliver = self.record_lists.queue
        return consumer

    def _new_transport(self) -> TransportT:
        return AegisTransport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> TransportT:
        return AegisTransport(self.conf.broker_producer, self)

    async def _consumer_wait_empty(self, consumer: ConsumerT, logger: Any) -> None:  # noqa: ANN401, ARG002
        """Finish what is begun; Faust calls this when partitions are revoked and when the application stops."""
        await self._drain(cast("BulkConsumer", consumer).generation)

    def _create_directories(self) -> None:
        """Make none: there are no tables to keep."""


def faust_settings(settings: Settings, *, max_batch_bytes: int) -> Mapping[str, Any]:
    """Return the settings of the Faust application.

    `max_batch_bytes`: not above max.message.bytes of any topic that is written in batches.
    Raises ConfigurationError, KeyRefusedError: what it takes to reach the broker is missing or unfit.
    """
    kwargs = connection_kwargs(settings)
    web = settings.web_port != "off"
    return {
        "broker": [f"kafka://{server}" for server in kwargs["bootstrap_servers"].split(",")],
        "broker_credentials": _credentials(kwargs),
        "broker_client_id": settings.application_id,
        "broker_session_timeout": SESSION_TIMEOUT_S,
        "broker_rebalance_timeout": REBALANCE_TIMEOUT_S,
        "broker_heartbeat_interval": HEARTBEAT_S,
        "broker_request_timeout": REQUEST_TIMEOUT_S,
        "broker_max_poll_records": LIST_RECORDS,
        "broker_check_crcs": True,
        "consumer_auto_offset_reset": "earliest",
        "producer_acks": -1,
        "producer_compression_type": None if settings.compression == "none" else settings.compression,
        "producer_linger": 0,
        "producer_max_batch_size": max_batch_bytes,
        "producer_request_timeout": REQUEST_TIMEOUT_S,
        "processing_guarantee": "at_least_once",
        "producer_threaded": False,
        "stream_wait_empty": True,  # our drain, see AegisApp
        "stream_recovery_delay": 0.0,
        "topic_disable_leader": True,
        "topic_allow_declare": False,
        "autodiscover": False,
        "debug": False,
        "store": "memory://",
        "web_enabled": web,
        "web_bind": settings.web_host,
        "web_host": settings.web_host,
        "web_port": settings.web_port if web else 6066,
        "web_in_thread": False,
        "web_router_enabled": False,
        "web_tables_enabled": False,
        "web_stats_enabled": False,
        "web_graph_enabled": False,
        "web_metrics_enabled": False,
        "worker_redirect_stdouts": False,
    }


def _credentials(kwargs: Mapping[str, Any]) -> CredentialsT | None:
    context = kwargs.get("ssl_context")
    if "sasl_mechanism" in kwargs:
        return SASLCredentials(
            username=kwargs["sasl_plain_username"],
            password=kwargs["sasl_plain_password"],
            mechanism=kwargs["sasl_mechanism"],
            ssl_context=context,
        )
    return None if context is None else SSLCredentials(context)
