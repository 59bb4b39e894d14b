"""The account of a re-encryption: what became of every record read, kept beside the committed offset.

The offset of a partition and its tally are committed together, in the transaction that writes the records they speak
of.  So whatever kills the process, the next one goes on with an account that is right.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import orjson

from aegis_stream.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aegis_stream.client.spans import Span

_PREFIX = "aegis-reencrypt/1 "
_NAME = re.compile(r"[a-z0-9-]{1,40}", re.ASCII)
_COUNTS = ("begin", "read", "kept", "reencrypted", "unread")


@dataclass(slots=True)
class Tally:
    """One partition's account, from offset `begin` on.

    kept: records written as they stood.  reencrypted: under the active version.  refused: by reason; each lies sealed
    on the topic of refused records.  unread: offsets that retention took away before they were read.
    """

    begin: int = 0
    read: int = 0
    kept: int = 0
    reencrypted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    unread: int = 0

    @property
    def adds_up(self) -> bool:
        """Whether every record read became exactly one of the three."""
        return self.read == self.kept + self.reencrypted + self.refused.total()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON shape."""
        return {**{name: getattr(self, name) for name in _COUNTS}, "refused": dict(sorted(self.refused.items()))}

    def __add__(self, other: Tally) -> Tally:
        """Return the sum; `begin` is that of the first."""
        return Tally(
            self.begin,
            self.read + other.read,
            self.kept + other.kept,
            self.reencrypted + other.reencrypted,
            self.refused + other.refused,
            self.unread + other.unread,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a job does, fixed at its first start: the topic it reads, and the version below which events are opened."""

    source: str
    below: str


@dataclass(slots=True)
class Mark:
    """Task and tally as they stand in the metadata of one committed offset."""

    task: Task
    tally: Tally

    def to_text(self) -> str:
        """Return one line; brokers take 4,096 bytes, and the closed lists of reasons keep it far below."""
        return (
            _PREFIX
            + orjson.dumps({"source": self.task.source, "below": self.task.below, **self.tally.to_json()}).decode()
        )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read such a line.  Raises ConfigurationError: another program has committed to the group of this job."""
        value: Any = None
        if text.startswith(_PREFIX):
            try:
                value = orjson.loads(text.removeprefix(_PREFIX))
            except orjson.JSONDecodeError:
                value = None
        if not _is_mark(value):
            raise ConfigurationError(
                "the group of this job holds offsets that no re-encryption has committed",
                remedy="give the new topic a name of its own, so that its job has a group of its own",
            )
        tally = Tally(**{name: value[name] for name in _COUNTS}, refused=Counter(value["refused"]))
        return cls(Task(source=value["source"], below=value["below"]), tally)


def _is_mark(value: object) -> bool:
    if not isinstance(value, dict) or set(value) != {"source", "below", "refused", *_COUNTS}:
        return False
    refused = value["refused"]
    if not isinstance(refused, dict) or not all(_NAME.fullmatch(name) for name in refused):
        return False
    counts = [*refused.values(), *(value[name] for name in _COUNTS)]
    texts = (value["source"], value["below"])
    return all(isinstance(text, str) for text in texts) and all(type(n) is int and n >= 0 for n in counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """How a job stands, all of it since its first start.

    positions: the next offset to read, by partition.  spans: what this run has set out to read.  under: the versions
    that this run has encrypted under.  complete: every span was read to its end.
    """

    task: Task
    target: str
    refused_topic: str
    tallies: Mapping[int, Tally]
    positions: Mapping[int, int]
    spans: Mapping[int, Span]
    under: tuple[str, ...]

    @property
    def total(self) -> Tally:
        """The sum over all partitions."""
        return sum(self.tallies.values(), Tally())

    @property
    def complete(self) -> bool:
        """Whether everything that this run has set out to read is done."""
        return all(self.positions[number] >= span.end for number, span in self.spans.items())

    @property
    def adds_up(self) -> bool:
        """Whether the account is right, partition by partition."""
        return all(tally.adds_up for tally in self.tallies.values())

    @property
    def left(self) -> int:
        """Offsets that are yet to be read."""
        return sum(max(0, span.end - self.positions[number]) for number, span in self.spans.items())

    def to_json(self) -> dict[str, Any]:
        """Return the JSON shape."""
        total = self.total.to_json()
        del total["begin"]
        return {
            "source": self.task.source,
            "target": self.target,
            "refused_topic": self.refused_topic,
            "below": self.task.below,
            "under": list(self.under),
            **total,
            "adds_up": self.adds_up,
            "complete": self.complete,
            "left": self.left,
            "partitions": [
                {"partition": number, "position": self.positions[number], **tally.to_json()}
                for number, tally in sorted(self.tallies.items())
            ],
        }
