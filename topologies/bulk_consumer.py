"""A Faust consumer that hands on whole record lists: no message, event or acknowledgement entry a record.

Faust's own consumer wraps every record in four tasks, which costs more than encrypting it.  This one keeps what Faust
is good at, the group, its rebalances and its life cycle, and replaces the loop that moves records.

Order and loss.  Records are taken only while the flow is on and no reassignment is under way, so every list belongs to
the assignment whose positions were set to the committed offsets.  Lists of one partition follow each other without a
gap.  A list of an ended assignment may be dropped, as its records will be fetched again; none of a live one ever is.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from aiokafka import OffsetAndMetadata
from aiokafka.errors import CommitFailedError, ConsumerStoppedError
from aiokafka.protocol.fetch import FetchRequest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from topologies.death import die
from topologies.lenient_batches import read_leniently
from topologies.logs import SERVICE_LOG
from topologies.record_list import RecordList

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiokafka import ConsumerRecord, TopicPartition
    from mode import ServiceT

    Records = list[ConsumerRecord[bytes | None, bytes | None]]

_log = structlog.get_logger(__name__)

FETCH_WAIT_S = 1.0
"""How long one look for records lasts; the group's own timers need one from time to time."""


class BulkConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread in which aiokafka's consumer lives; its loop is not the application's."""

    logger = SERVICE_LOG

    consumer: BulkConsumer

    async def take(self, partitions: set[TP]) -> list[RecordList]:
        """Return what has been fetched of `partitions`, after at most FETCH_WAIT_S, perhaps nothing.

        Raises KafkaError where the group or a topic is refused, ConsumerStoppedError at the end.
        """
        taken: list[RecordList] = await self.call_thread(self._take, partitions)
        return taken

    async def _take(self, partitions: set[TP]) -> list[RecordList]:
        consumer = self._ensure_consumer()
        fetcher = consumer._fetcher  # noqa: SLF001 - as Faust does: its public calls take no partition set
        if consumer._closed or fetcher._closed:  # noqa: SLF001
            raise ConsumerStoppedError
        consumer._coordinator.check_errors()  # noqa: SLF001 - else a refused group looks like an idle topic
        with consumer._subscription.fetch_context():  # noqa: SLF001 - tells the group that this member is alive
            taken = await self._take_now(partitions)
            if not taken:
                waiter = fetcher._create_fetch_waiter()  # noqa: SLF001
                await asyncio.wait([waiter], timeout=FETCH_WAIT_S)
                if waiter.done():
                    waiter.result()  # raises what the group was refused for
                else:
                    waiter.cancel()
                taken = await self._take_now(partitions)
        return taken

    async def _take_now(self, partitions: set[TP]) -> list[RecordList]:
        """Take records without waiting, up to `max_poll_records` of each partition.

        With no reassignment under way `fetched_records` does not suspend, so flow, records and generation belong
        together: the application changes the generation only while the flow is off.
        """
        consumer = self._ensure_consumer()
        fetcher, most = consumer._fetcher, consumer._max_poll_records  # noqa: SLF001
        lists: list[RecordList] = []
        for place in list(fetcher._records):  # noqa: SLF001 - what was fetched and not yet taken
            if not self.consumer.flow_active or consumer._subscription.reassignment_in_progress:  # noqa: SLF001
                break
            if TP(*place) not in partitions:
                continue
            unreadable = False
            taken: dict[TopicPartition, Records] = {}
            try:
                taken = await fetcher.fetched_records({place}, timeout=0, max_records=most)
            except UnicodeDecodeError:
                unreadable = True
            records = await self._take_leniently(place, most) if unreadable else taken.get(place)
            if records:
                lists.append(RecordList(TP(*place), self.consumer.generation, records))
        return lists

    async def _take_leniently(self, place: TopicPartition, most: int) -> Records:
        """Fetch anew where a header's name is not UTF-8, and take what is there without that header.

        Nothing is taken where flow, assignment or position changed meanwhile: then it is fetched again.
        """
        consumer = self._ensure_consumer()
        fetcher, subscription = consumer._fetcher, consumer._subscription  # noqa: SLF001
        state, generation = subscription.subscription.assignment.state_value(place), self.consumer.generation
        position = state.position
        request = FetchRequest(
            0,
            1,
            fetcher._fetch_max_bytes,  # noqa: SLF001
            fetcher._isolation_level,  # noqa: SLF001
            [(place.topic, [(place.partition, position, fetcher._max_partition_fetch_bytes)])],  # noqa: SLF001
            rack_id="",
        )
        leader = consumer._client.cluster.leader_for_partition(place)  # noqa: SLF001
        response = await consumer._client.send(leader, request)  # noqa: SLF001
        ((_, ((_, code, _, *parts),)),) = response.topics
        current = subscription.subscription.assignment
        if (
            code
            or subscription.reassignment_in_progress
            or not self.consumer.flow_active
            or self.consumer.generation != generation
            or current is None
            or current.state_value(place) is not state
            or state.position != position
        ):
            return []
        found = read_leniently(bytes(parts[-1]), TP(*place), position=position, most=most)
        state.consumed_to(found.next_offset)
        fetcher._records.pop(place, None)  # noqa: SLF001
        if found.dropped:
            self.consumer.undecodable_headers += found.dropped
            _log.warning("headers left out: their names are not UTF-8", partition=place.partition, offset=position)
        return found.records

    async def touch(self) -> None:
        """Tell the group that this member is alive although it takes no records."""
        await self.call_thread(self._touch)

    async def _touch(self) -> None:
        with self._ensure_consumer()._subscription.fetch_context():  # noqa: SLF001
            pass

    def ends(self) -> dict[TP, int]:
        """Return the end offset of each assigned partition from which something was fetched."""
        subscription = self._ensure_consumer()._subscription.subscription  # noqa: SLF001
        assignment = None if subscription is None else subscription.assignment
        if assignment is None:
            return {}
        ends = {TP(*place): assignment.state_value(place).highwater for place in assignment.tps}
        return {partition: end for partition, end in ends.items() if end is not None}

    async def commit_offsets(self, offsets: Mapping[TP, int]) -> bool:
        """Commit in this thread; False where the group has moved on and the offsets are somebody else's now.

        Raises KafkaError for anything but that; retries what can be retried.
        """
        committed: bool = await self.call_thread(self._commit_offsets, offsets)
        return committed

    async def _commit_offsets(self, offsets: Mapping[TP, int]) -> bool:
        consumer = self._ensure_consumer()
        assigned = consumer.assignment()
        mine = {
            driver.ensure_aiokafka_TP(tp): OffsetAndMetadata(offset, "")
            for tp, offset in offsets.items()
            if driver.ensure_aiokafka_TP(tp) in assigned
        }
        try:
            await consumer.commit(mine)
        except CommitFailedError:
            return False
        return len(mine) == len(offsets)

    def on_crash(self, msg: str, *fmt: object, **_: object) -> None:
        """Say nothing here: Faust prints the error's text, which may quote a record; `_serve` reports the class."""


class BulkConsumer(driver.Consumer):
    """The application's side: takes lists from the thread and gives them to `deliver`, in order."""

    logger = SERVICE_LOG

    deliver: asyncio.Queue[RecordList]
    """Where lists go; bounded, so that a slow agent slows the fetching down."""

    generation: int = 0
    """Counts the assignments of this process."""

    undecodable_headers: int = 0
    """Headers that were left out because their names are not UTF-8."""

    _thread: BulkConsumerThread

    def _new_consumer_thread(self) -> BulkConsumerThread:
        return BulkConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def perform_seek(self) -> None:
        """Set all positions to the committed offsets; a new generation of lists begins here."""
        await super().perform_seek()
        self.generation += 1
        _log.info("partitions assigned", partitions=sorted(place.partition for place in self.assignment()))

    async def commit_offsets(self, offsets: Mapping[TP, int]) -> bool:
        """Commit `offsets`; see BulkConsumerThread.commit_offsets."""
        accepted = await self._thread.commit_offsets(offsets)
        if accepted:
            self._committed_offset.update(offsets)
        return accepted

    def lags(self) -> dict[int, int]:
        """Return for each assigned partition how many offsets lie between the committed one and the end."""
        ends = self._thread.ends()
        return {
            partition.partition: max(0, end - (self._committed_offset[partition] or 0))
            for partition, end in ends.items()
        }

    async def verify_all_partitions_active(self) -> None:
        """Look for nothing: Faust's sensors see no record here, and would report a stall that is none."""

    async def _drain_messages(self, fetcher: ServiceT) -> None:
        try:
            while not (self.should_stop or fetcher.should_stop):
                if not self.flow_active:
                    await self.wait(self.can_resume_flow.wait())
                    continue
                for work in await self._thread.take(self._get_active_partitions()):
                    await self._hand_on(work)
        except ConsumerStoppedError:
            if not self.transport.app.should_stop:
                raise
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, going on could skip records
            die("fetch", error)

    async def _hand_on(self, work: RecordList) -> None:
        """Wait for room; a long wait (the agent holds) must not look to the group like a dead member.

        Where the flow stops meanwhile the list is let go: its generation ends, and its records are fetched again.
        """
        putting = asyncio.ensure_future(self.deliver.put(work))
        stopping = asyncio.ensure_future(self.suspend_flow.wait())
        try:
            while True:
                done, _ = await asyncio.wait(
                    {putting, stopping}, timeout=FETCH_WAIT_S, return_when=asyncio.FIRST_COMPLETED
                )
                if done:
                    return
                await self._thread.touch()
        finally:
            putting.cancel()
            stopping.cancel()
