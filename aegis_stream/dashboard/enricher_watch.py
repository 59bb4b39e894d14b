"""What one enricher says of itself on /metrics, and how fast its counters grow."""

from __future__ import annotations

import asyncio
import time
import urllib.error
import urllib.request
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from aegis_stream.plain_text import plain

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT_S = 3.0
MAX_BODY_BYTES = 1_048_576
RATE_OVER_S = 10.0
SAMPLES = 60
_PREFIX = "aegis_enricher_"
_LONGEST_LABEL = 60
_NUMBERS = {
    "events_total": "events",
    "fields_total": "fields",
    "ready": "ready",
    "manifest_sequence": "manifest_sequence",
}
"""Metrics whose samples are added up, by the member of Reading that they go to."""
_NAMES = {"dek_info": ("version", "version"), "engine_info": ("engine", "engine")}
"""Metrics that say something by a label: the member, and the label."""
_TABLES = {
    "lag_records": ("lag", "partition"),
    "dead_letters_total": ("refused", "reason"),
    "dropped_total": ("dropped", "what"),
}
"""Metrics with a number a label."""


@dataclass(slots=True)
class Reading:
    """The numbers of one answer; those that are not there are 0 or empty."""

    events: float = 0.0
    fields: float = 0.0
    ready: float = 0.0
    version: str = ""
    engine: str = ""
    manifest_sequence: float = 0.0
    lag: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)


class _Sample(NamedTuple):
    at_s: float
    events: float
    fields: float


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """An address is asked as it was given."""

    def redirect_request(self, *_: Any) -> None:  # noqa: ANN401 - urllib's own
        """Follow none: the answer is then an error of its status."""


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects)


class EnricherWatch:
    """One enricher's address, what it said last, and its rates over the last ten seconds."""

    def __init__(self, address: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`address`: http://host:port of its pages."""
        self.address = address
        self.reading: Reading | None = None
        self.problem = "not asked yet"
        self._clock = clock
        self._samples: deque[_Sample] = deque(maxlen=SAMPLES)

    @property
    def up(self) -> bool:
        """Whether it answered the last time."""
        return not self.problem

    async def ask(self) -> None:
        """Ask once; a failure is kept in `problem`."""
        try:
            text = await asyncio.to_thread(_get, f"{self.address}/metrics")
            reading = parse(text)
        except urllib.error.HTTPError as error:
            self.problem = f"answered with status {error.code}"
            error.close()
        except (OSError, TimeoutError) as error:
            self.problem = _why(error)
        except ValueError:
            self.problem = "answered with something that is no page of metrics"
        else:
            self._take(reading)

    def rates(self) -> tuple[float, float]:
        """Return events and fields a second, over the last ten seconds or what there is of them."""
        if len(self._samples) < 2 or not self.up:  # noqa: PLR2004 - a rate is between two
            return 0.0, 0.0
        last = self._samples[-1]
        first = next((each for each in self._samples if last.at_s - each.at_s <= RATE_OVER_S), last)
        if first is last:
            first = self._samples[-2]
        passed_s = last.at_s - first.at_s
        return (last.events - first.events) / passed_s, (last.fields - first.fields) / passed_s

    def shape(self) -> dict[str, Any]:
        """Return what the page shows of it."""
        reading = self.reading or Reading()
        events, fields = self.rates()
        return {
            "address": self.address,
            "up": self.up,
            "problem": self.problem,
            "ready": self.up and bool(reading.ready),
            "version": reading.version,
            "engine": reading.engine,
            "manifest_sequence": int(reading.manifest_sequence),
            "events_per_s": round(events, 1),
            "fields_per_s": round(fields, 1),
            "events": int(reading.events),
            "lag": sum(reading.lag.values()),
            "lags": dict(sorted(reading.lag.items(), key=lambda each: (len(each[0]), each[0]))),
            "refused": {reason: count for reason, count in sorted(reading.refused.items()) if count},
            "dropped": {what: count for what, count in sorted(reading.dropped.items()) if count},
        }

    def _take(self, reading: Reading) -> None:
        if self._samples and reading.events < self._samples[-1].events:
            self._samples.clear()  # it was started anew
        self._samples.append(_Sample(self._clock(), reading.events, reading.fields))
        self.reading, self.problem = reading, ""


def parse(text: str) -> Reading:
    """Read Prometheus' text format.  Raises ValueError: it is none, or none of an enricher's."""
    reading, known = Reading(), False
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name = sample.name.removeprefix(_PREFIX)
            if name != sample.name:
                known = True
                _note(reading, name, sample.labels, sample.value)
    if not known:
        raise ValueError("no metric of an enricher")
    return reading


def _note(reading: Reading, name: str, labels: dict[str, str], value: float) -> None:
    if name in _NUMBERS:
        setattr(reading, _NUMBERS[name], getattr(reading, _NUMBERS[name]) + value)
    elif name in _NAMES:
        member, label = _NAMES[name]
        setattr(reading, member, plain(labels.get(label, ""), longest=_LONGEST_LABEL))
    elif name in _TABLES:
        member, label = _TABLES[name]
        getattr(reading, member)[plain(labels.get(label, ""), longest=_LONGEST_LABEL)] = int(value)


def _get(address: str) -> str:
    with _OPENER.open(address, timeout=TIMEOUT_S) as answer:
        body: bytes = answer.read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        raise ValueError("too long")
    return body.decode()


def _why(error: OSError) -> str:
    reason = getattr(error, "reason", error)
    return "no answer in time" if isinstance(reason, TimeoutError) else "nobody answers"
