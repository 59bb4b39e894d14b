"""The demo's story: write, look, read back, attack."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import orjson

from aegis_stream.client import EventProducer, connection_kwargs, open_consumer
from aegis_stream.client.peek import first_value
from aegis_stream.document import parse_object
from aegis_stream.errors import AegisError
from aegis_stream.generator import EventKind, generate_events

if TYPE_CHECKING:
    from aegis_stream.cli._demo.show import Stage
    from aegis_stream.client import EventConsumer, RefusedRecord, Written
    from aegis_stream.settings import Settings

_WAIT_S = 60.0
Event = dict[str, Any]


class Story:
    """Tells itself to a stage, as a reader of the deployment sees it."""

    def __init__(self, stage: Stage, settings: Settings, *, count: int, seed: int) -> None:
        """Choose the events."""
        self._stage = stage
        self._settings = settings
        self._sent = {event["event_id"]: event for event in generate_events(seed=seed, count=count)}
        self._refused: list[RefusedRecord] = []

    async def tell(self) -> None:
        """Write events, show one, read all of them back, and try to deceive the reader."""
        async with open_consumer(self._settings, on_refused=self._put_aside) as reader:
            await self._write()
            encrypted = await self._look()
            await self._read_back(reader)
            await self._attack(reader, encrypted)

    async def _put_aside(self, record: RefusedRecord) -> None:
        self._refused.append(record)

    async def _write(self) -> None:
        connection = connection_kwargs(self._settings)
        async with EventProducer(connection=connection, topic=self._settings.topic_raw) as producer:
            await producer.send_many([(event["workflow_id"].encode(), event) for event in self._sent.values()])
        kinds = len({event["event_type"] for event in self._sent.values()})
        self._stage.step("Events", f"{len(self._sent):,} governance events of {kinds} kinds written to the raw topic")

    async def _look(self) -> Event:
        """Return an override's request as it stands on the encrypted topic, after showing it beside the raw one."""
        connection, topic = connection_kwargs(self._settings), self._settings.topic_encrypted
        encrypted: Event = orjson.loads(await first_value(connection, topic, fits=_is_override_request))
        self._stage.step("One of them", "what broker, backup and network see of it")
        self._stage.side_by_side(self._sent[encrypted["event_id"]], encrypted)
        return encrypted

    async def _read_back(self, reader: EventConsumer) -> None:
        began = time.monotonic()
        seen: dict[str, Event] = {}
        async with asyncio.timeout(_WAIT_S):
            while len(seen) < len(self._sent):
                received = await anext(reader)
                seen[received.event["event_id"]] = received.event
        if seen != self._sent or self._refused:
            raise AegisError("the demo read back other events than it wrote: this is a defect, please report it")
        took = time.monotonic() - began
        self._stage.step("Read back", f"{len(seen):,} of {len(self._sent):,} events, each once, equal to what was sent")
        self._stage.detail(f"verified and decrypted in {took:.1f} s with the KEK, which the enricher never had", "dim")

    async def _attack(self, reader: EventConsumer, encrypted: Event) -> None:
        """Swap two encrypted values of a genuine event and write it where the reader reads."""
        forged = encrypted | {
            "requested_by": encrypted["override_justification"],
            "override_justification": encrypted["requested_by"],
        }
        topic = self._settings.topic_encrypted
        async with EventProducer(connection=connection_kwargs(self._settings), topic=topic, validate=False) as attacker:
            place = await attacker.send(forged, partition=0)
        await self._until_refused(reader, place)
        (record,) = self._refused
        self._stage.step("Attack", "two encrypted values of a genuine event swapped, and the event written again")
        self._stage.detail(f"refused: {record.reason} at {record.path}; no value of it was released", "green")

    async def _until_refused(self, reader: EventConsumer, place: Written) -> None:
        """Let the reader read on until it has judged the record."""
        waiting = asyncio.ensure_future(anext(reader))
        try:
            async with asyncio.timeout(_WAIT_S):
                while not any((one.partition, one.offset) == (place.partition, place.offset) for one in self._refused):
                    if waiting.done():
                        raise AegisError("the demo's reader took a forged event: this is a defect, please report it")
                    await asyncio.sleep(0.02)
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)


def _is_override_request(value: bytes) -> bool:
    event = parse_object(value)
    return event is not None and event.get("event_type") == EventKind.OVERRIDE_REQUESTED
