"""Kafka: whether it answers, whether the topics fit, whether the consumer group may be used."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aegis_stream.cli._checks.check import Check, Role, Status, guarded, skipped
from aegis_stream.client.connection import connection_kwargs
from aegis_stream.client.topics import TopicNames, Weight, check_topics, preflight
from aegis_stream.client.topics.admin import administrator
from aegis_stream.client.topics.survey import broker_count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aegis_stream.settings import Settings

PRODUCTION_REPLICATION = 3


def look_at_broker(settings: Settings, role: Role | None) -> list[Check]:
    """Return the rows; where Kafka does not answer nothing else is asked of it."""
    rows = list(guarded("kafka", "connection", lambda: _connection(settings)))
    if rows[-1].status is Status.FAILED:
        return [*rows, skipped("topics", "settings", "Kafka does not answer")]
    rows += guarded("topics", "settings", lambda: _topics(settings))
    if role in {None, Role.READER}:
        rows += guarded("kafka", "readers' group", lambda: _group(settings, settings.reader_group))
    if role in {None, Role.ENRICHER}:
        rows += guarded("kafka", "enrichers' group", lambda: _group(settings, settings.application_id))
    return rows


def _connection(settings: Settings) -> Iterator[Check]:
    settings.required("broker")
    connection = connection_kwargs(settings)
    brokers = asyncio.run(_count(connection))
    protocol = settings.kafka_security_protocol
    yield Check("kafka", "connection", Status.OK, f"{brokers} broker{'s' if brokers > 1 else ''} over {protocol}")
    if settings.environment == "production" and protocol == "PLAINTEXT":
        yield Check(
            "kafka",
            "connection",
            Status.WARNING,
            "raw events travel in the clear",
            "set AEGIS_KAFKA_SECURITY_PROTOCOL to SASL_SSL or SSL",
        )


async def _count(connection: dict[str, object]) -> int:
    async with administrator(connection) as admin:
        return await broker_count(admin)


def _topics(settings: Settings) -> Iterator[Check]:
    replication = PRODUCTION_REPLICATION if settings.environment == "production" else None
    names = TopicNames.of(settings)
    findings = asyncio.run(check_topics(connection_kwargs(settings), names, replication=replication))
    for finding in findings:
        status = Status.FAILED if finding.weight is Weight.ERROR else Status.WARNING
        found = f"{finding.what} is {finding.found}, wanted: {finding.wanted}"
        yield Check("topics", finding.topic, status, found, finding.remedy)
    if not findings:
        yield Check("topics", "settings", Status.OK, "as they must be")


def _group(settings: Settings, group: str) -> Iterator[Check]:
    asyncio.run(preflight(connection_kwargs(settings), group=group))
    yield Check("kafka", "group", Status.OK, f"{group} may be used")
