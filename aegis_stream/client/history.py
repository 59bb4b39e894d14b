"""Count the records of a topic by DEK version, and tell when a version can be destroyed without loss.

No key is needed: the version stands in `_aegis.dek`, in a sealed record's case in a header.  It is a claim, for nothing
is opened here: whoever may write to the topic can add to a count, and nobody can take from it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from aegis_stream.client.claimed_version import record_version
from aegis_stream.client.log_reader import LogReader
from aegis_stream.client.spans import OPEN
from aegis_stream.client.topics.admin import administrator
from aegis_stream.client.topics.survey import topic_states
from aegis_stream.errors import BrokerError, BrokerReason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aiokafka import ConsumerRecord

    from aegis_stream.client.spans import Bound
    from aegis_stream.wire import DekVersion

UNLIMITED = -1


@dataclass(slots=True)
class Tally:
    """Records under one version: how many, their bytes, how many are past the retention, times in ms since 1970."""

    records: int = 0
    bytes: int = 0
    expired: int = 0
    oldest_ms: int = 0
    newest_ms: int = 0

    @property
    def remaining(self) -> int:
        """Those that the topic still owes to its readers."""
        return self.records - self.expired

    def add(self, timestamp_ms: int, size: int, *, expired: bool) -> None:
        """Count one."""
        self.oldest_ms = timestamp_ms if not self.records else min(self.oldest_ms, timestamp_ms)
        self.newest_ms = max(self.newest_ms, timestamp_ms)
        self.records += 1
        self.bytes += size
        self.expired += expired


@dataclass(slots=True)
class TopicHistory:
    """What one topic holds.

    retention_ms: retention.ms, -1 where nothing goes by age.  unversioned: records without a DEK version: empty ones,
    and what no reader would open.
    """

    topic: str
    retention_ms: int
    records: int = 0
    unversioned: int = 0
    by_version: dict[DekVersion, Tally] = field(default_factory=dict)

    def add(self, record: ConsumerRecord, *, now_ms: int) -> None:
        """Count one record."""
        self.records += 1
        version = record_version(record)
        if version is None:
            self.unversioned += 1
            return
        expired = self.retention_ms != UNLIMITED and record.timestamp + self.retention_ms <= now_ms
        tally = self.by_version.setdefault(version, Tally())
        tally.add(record.timestamp, len(record.value or b""), expired=expired)

    def tally(self, version: str) -> Tally:
        """Return the count of a version, zero where there is none."""
        return next((tally for known, tally in self.by_version.items() if known.text == version), Tally())


class Destroyable(StrEnum):
    """When a version can be destroyed without loss."""

    NOW = "now"
    LATER = "later"
    NEVER = "never"
    LETTERS = "dead-letters"
    ACTIVE = "active"
    DESTROYED = "destroyed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """When, for one version; `at` is the moment for LATER.  `remaining`: records on all topics that would be lost."""

    version: str
    when: Destroyable
    remaining: int
    at: dt.datetime | None = None

    def but(self, when: Destroyable) -> Verdict:
        """Return the same where the state of its DEK decides."""
        return replace(self, when=when, at=None)


def judge_version(version: str, topics: Sequence[TopicHistory], *, open_letters: int = 0) -> Verdict:
    """Tell when nothing under this version is left; the state of its DEK is not looked at.

    NEVER: a topic that holds some of it lets nothing go by age.  LETTERS: only dead letters are left, which wait for
    an operator.
    """
    left = [(topic, topic.tally(version)) for topic in topics if topic.tally(version).remaining]
    remaining = sum(tally.remaining for _, tally in left)
    if not left:
        return Verdict(version=version, when=Destroyable.LETTERS if open_letters else Destroyable.NOW, remaining=0)
    if any(topic.retention_ms == UNLIMITED for topic, _ in left):
        return Verdict(version=version, when=Destroyable.NEVER, remaining=remaining)
    last_ms = max(tally.newest_ms + topic.retention_ms for topic, tally in left)
    at = dt.datetime.fromtimestamp(last_ms // 1000 + 1, dt.UTC)
    return Verdict(version=version, when=Destroyable.LATER, remaining=remaining, at=at)


async def read_history(  # noqa: PLR0913 - all by name but two
    connection: Mapping[str, Any],
    topic: str,
    *,
    since: Bound = OPEN,
    until: Bound = OPEN,
    now: dt.datetime,
    on_begin: Callable[[int], None] = lambda _offsets: None,
    on_records: Callable[[int], None] = lambda _records: None,
) -> TopicHistory:
    """Read a topic once, from its beginning to its present end or between two bounds.

    on_begin: told how many offsets will be read.  on_records: told of every batch's number of records.
    Raises ConfigurationError; BrokerError: the topic or its settings may not be seen; BrokerUnavailableError.
    """
    history = TopicHistory(topic, await retention_ms(connection, topic))
    now_ms = int(now.timestamp() * 1000)
    async with LogReader(connection, topic, max_records=2_000) as reader:
        spans = await reader.spans(since=since, until=until)
        on_begin(sum(span.end - span.begin for span in spans.values()))
        await reader.begin(spans)
        while not reader.finished:
            records = await reader.fetch()
            for record in records:
                history.add(record, now_ms=now_ms)
            on_records(len(records))
    return history


async def topic_settings(connection: Mapping[str, Any], topic: str) -> Mapping[str, str]:
    """Return a topic's settings in force.

    Raises BrokerError: it is missing, or its settings are hidden from this user; BrokerUnavailableError.
    """
    async with administrator(connection) as admin:
        state = (await topic_states(admin, [topic], settings=True)).get(topic)
    if state is None:
        raise BrokerError(
            BrokerReason.TOPIC_MISSING, f"there is no topic {topic}", remedy="`aegis history prepare` makes a new one"
        )
    if state.settings is None:
        raise BrokerError(
            BrokerReason.TOPIC_REFUSED,
            f"the settings of the topic {topic} are hidden from this user",
            remedy="give it the right DescribeConfigs on the topic; `aegis topics acls` prints it",
        )
    return state.settings


async def retention_ms(connection: Mapping[str, Any], topic: str) -> int:
    """Return how long a topic keeps records, -1 where nothing goes by age.  Raises as `topic_settings`."""
    settings = await topic_settings(connection, topic)
    if "delete" not in settings.get("cleanup.policy", "delete"):
        return UNLIMITED
    text = settings.get("retention.ms", "")
    return int(text) if text.isdecimal() else UNLIMITED
