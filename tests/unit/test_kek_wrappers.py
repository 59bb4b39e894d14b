"""What stands round a provider: retries, memory, counting, a record of every use."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import orjson
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from aegis_stream.errors import KEKError, KEKReason, KEKUnavailableError, KeyRefusedError
from aegis_stream.hybrid import Encapsulated, HybridKEM, HybridKeypair
from aegis_stream.kek import (
    AuditedKEK,
    Backoff,
    CachingKEK,
    InMemoryKEKProvider,
    KEKMetrics,
    KEKUse,
    MeteredKEK,
    RetryingKEK,
    check_kek,
    wait_for_kek,
    wait_for_keks,
)
from aegis_stream.kek.single_flight import SingleFlight
from aegis_stream.kek.wrapper import KEKWrapper
from aegis_stream.wire import b64encode
from tests.support.leaks import dump, told_by, traces_of

if TYPE_CHECKING:
    from collections.abc import Callable

AWAY = KEKUnavailableError(KEKReason.UNAVAILABLE, "away", remedy="wait")
DENIED = KEKError(KEKReason.DENIED, "denied", remedy="allow")


class Moody(KEKWrapper):
    """A provider of a user's own that asks a service for each secret, and fails as told."""

    def __init__(self, keypair: HybridKeypair) -> None:
        """Fail with the `errors` from the front, then serve."""
        super().__init__(InMemoryKEKProvider(keypair=keypair, environ={}))
        self.errors: list[Exception] = []
        self.asked = 0
        self.before: Callable[[], object] = bool

    def decapsulate(self, encapsulation: bytes) -> bytes:
        """Serve or fail."""
        self.asked += 1
        self.before()
        if self.errors:
            raise self.errors.pop(0)
        return super().decapsulate(encapsulation)


@pytest.fixture
def moody(kek_pair: HybridKeypair) -> Moody:
    """Return a provider that fails as told."""
    return Moody(kek_pair)


@pytest.fixture
def probe(kek_pair: HybridKeypair) -> Encapsulated:
    """Return an encapsulation and its secret."""
    return HybridKEM.encapsulate(kek_pair.public)


def test_retrying_bridges_short_trouble(moody: Moody, probe: Encapsulated) -> None:
    """It waits a little longer each time, and not all processes at the same moment."""
    waited: list[float] = []
    moody.errors = [AWAY, AWAY, AWAY]
    provider = RetryingKEK(moody, attempts=4, backoff=Backoff(1.0, 3.0), sleep=waited.append)
    assert provider.decapsulate(probe.encapsulation) == probe.shared_secret
    assert [low <= wait <= high for wait, (low, high) in zip(waited, [(0.5, 1), (1, 2), (1.5, 3)], strict=True)]


def test_retrying_ends(moody: Moody, probe: Encapsulated) -> None:
    """The caller hears of it in a bounded time."""
    moody.errors = [AWAY] * 10
    with pytest.raises(KEKUnavailableError):
        RetryingKEK(moody, attempts=3, sleep=lambda _: None).decapsulate(probe.encapsulation)
    assert moody.asked == 3


def test_retrying_does_not_repeat_what_cannot_help(moody: Moody, probe: Encapsulated) -> None:
    """A wrong PIN or a missing permission is not tried again."""
    moody.errors = [DENIED]
    with pytest.raises(KEKError):
        RetryingKEK(moody, sleep=lambda _: None).decapsulate(probe.encapsulation)
    assert moody.asked == 1


def test_cache_asks_once(moody: Moody, probe: Encapsulated) -> None:
    """A restart of a reader unwraps the same DEK for every partition."""
    provider = CachingKEK(moody)
    assert {provider.decapsulate(probe.encapsulation) for _ in range(5)} == {probe.shared_secret}
    assert moody.asked == 1
    provider.clear()
    provider.decapsulate(probe.encapsulation)
    assert moody.asked == 2


def test_cache_shows_no_secret(moody: Moody, probe: Encapsulated) -> None:
    """Each secret opens a DEK."""
    caching = CachingKEK(moody)
    caching.decapsulate(probe.encapsulation)
    assert traces_of(probe.shared_secret, dump(caching)) == []


def test_cache_asks_once_for_all_threads(moody: Moody, probe: Encapsulated) -> None:
    """Those who come while it is being asked wait for the same answer."""
    gate = threading.Event()
    moody.before = gate.wait
    provider = CachingKEK(moody)
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(provider.decapsulate, probe.encapsulation) for _ in range(16)]
        gate.set()
        assert {call.result() for call in calls} == {probe.shared_secret}
    assert moody.asked == 1


def test_cache_remembers_no_failure(moody: Moody, probe: Encapsulated) -> None:
    """Else one bad second would last until a restart."""
    provider = CachingKEK(moody)
    moody.errors = [AWAY]
    with pytest.raises(KEKUnavailableError):
        provider.decapsulate(probe.encapsulation)
    assert provider.decapsulate(probe.encapsulation) == probe.shared_secret


def test_cache_is_bounded(moody: Moody, kek_pair: HybridKeypair) -> None:
    """Encapsulations come from a topic: whoever may write there must not fill the memory."""
    provider = CachingKEK(moody, size=2)
    probes = [HybridKEM.encapsulate(kek_pair.public).encapsulation for _ in range(3)]
    for encapsulation in probes:
        provider.decapsulate(encapsulation)
    assert len(provider._secrets) == 2
    provider.decapsulate(probes[2])
    assert moody.asked == 3
    provider.decapsulate(probes[0])
    assert moody.asked == 4


def test_metrics_count_by_provider_and_result(moody: Moody, probe: Encapsulated) -> None:
    """An alert on the result `unavailable` is what an operator wants, and no label holds a value."""
    registry = CollectorRegistry()
    provider = MeteredKEK(moody, KEKMetrics(registry))
    provider.decapsulate(probe.encapsulation)
    moody.errors = [AWAY, RuntimeError("not ours")]
    with pytest.raises(KEKUnavailableError):
        provider.decapsulate(probe.encapsulation)
    with pytest.raises(RuntimeError):
        provider.decapsulate(probe.encapsulation)
    with pytest.raises(KeyRefusedError):
        provider.decapsulate(b"short")
    text = generate_latest(registry).decode()
    for result in ("ok", "unavailable", "error", "encapsulation"):
        assert f'aegis_kek_decapsulations_total{{provider="in_memory",result="{result}"}} 1.0' in text
    assert 'aegis_kek_decapsulation_seconds_count{provider="in_memory"} 4.0' in text


def test_audit_records_every_use(moody: Moody, probe: Encapsulated) -> None:
    """Who asks later which DEKs a stolen reader has opened finds them by their encapsulation."""
    uses: list[KEKUse] = []
    provider = AuditedKEK(moody, uses.append)
    provider.decapsulate(probe.encapsulation)
    moody.errors = [DENIED]
    with pytest.raises(KEKError):
        provider.decapsulate(probe.encapsulation)
    assert [use.result for use in uses] == ["ok", "denied"]
    assert uses[0].encapsulation == uses[1].encapsulation
    assert (uses[0].provider, uses[0].kek_id) == ("in_memory", provider.kek_id)
    assert traces_of(probe.shared_secret, repr(uses)) == []


def test_what_cannot_be_recorded_does_not_happen(moody: Moody, probe: Encapsulated) -> None:
    """Else filling the audit log's disk would hide what comes next."""

    def full(_: KEKUse) -> None:
        raise OSError(28, "no space left on device")

    with pytest.raises(OSError, match="no space left") as caught:
        AuditedKEK(moody, full).decapsulate(probe.encapsulation)
    assert traces_of(probe.shared_secret, told_by(caught.value)) == []


def test_audit_goes_to_its_own_logger_as_json(
    moody: Moody, probe: Encapsulated, caplog: pytest.LogCaptureFixture
) -> None:
    """It can be routed and parsed without reading this page."""
    with caplog.at_level(logging.INFO, logger="aegis_stream.audit"):
        AuditedKEK(moody).decapsulate(probe.encapsulation)
    record = orjson.loads(caplog.messages[0])
    assert record["event"] == "kek.decapsulate"
    assert record["result"] == "ok"
    assert traces_of(probe.shared_secret, caplog.text) == []


def test_wrappers_stand_in_any_order(kek_pair: HybridKeypair) -> None:
    """Each is a provider itself."""
    inner = InMemoryKEKProvider(keypair=kek_pair, environ={})
    metrics = KEKMetrics(CollectorRegistry())
    for provider in (
        AuditedKEK(MeteredKEK(CachingKEK(RetryingKEK(inner)), metrics)),
        RetryingKEK(CachingKEK(MeteredKEK(AuditedKEK(inner), metrics))),
    ):
        check_kek(provider)
        assert (provider.name, provider.kek_id) == (inner.name, inner.kek_id)
        assert provider.get_public_key() == kek_pair.public
        assert repr(inner) in repr(provider)


async def test_waiting_can_be_given_up(moody: Moody) -> None:
    """SIGTERM must end a process that waits for its KEK."""

    def load() -> Moody:
        raise AWAY

    waiting = asyncio.create_task(wait_for_kek(load, backoff=Backoff(0.001, 0.001)))
    await asyncio.sleep(0.02)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    del moody


async def test_waiting_checks_what_it_loaded(kek_pair: HybridKeypair) -> None:
    """A provider of a user's own may hold keys that do not belong together."""

    class Wrong(KEKWrapper):
        def get_public_key(self) -> bytes:
            return HybridKEM.generate_keypair().public

    with pytest.raises(KEKError) as caught:
        await wait_for_kek(lambda: Wrong(InMemoryKEKProvider(keypair=kek_pair, environ={})))
    assert caught.value.reason == KEKReason.MISMATCH


async def test_reader_holds_both_keks_of_a_rotation_under_audit(
    kek_pair: HybridKeypair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What the old one wrapped stays readable, and every use of either is on record."""
    other = HybridKEM.generate_keypair()
    for prefix, pair in (("AEGIS_", kek_pair), ("AEGIS_NEXT_", other)):
        monkeypatch.setenv(f"{prefix}MASTER_KEK_PRIVATE", b64encode(pair.private))
        monkeypatch.setenv(f"{prefix}MASTER_KEK_PUBLIC", b64encode(pair.public))
    keks = await wait_for_keks()
    assert [kek.get_public_key() for kek in keks] == [kek_pair.public, other.public]
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="aegis_stream.audit"):
        for kek in keks:
            check_kek(kek)
    assert [orjson.loads(line)["kek_id"] for line in caplog.messages] == [kek.kek_id for kek in keks]
    monkeypatch.delenv("AEGIS_NEXT_MASTER_KEK_PRIVATE")
    with pytest.raises(KEKError, match="AEGIS_NEXT_MASTER_KEK_PUBLIC"):
        await wait_for_keks()


def test_flights_of_other_keys_do_not_wait() -> None:
    """One slow answer must not hold up all."""
    flights: SingleFlight[str] = SingleFlight()
    gate = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(flights.do, "slow", lambda: gate.wait(5) and "slow")
        assert flights.do("quick", lambda: "quick") == "quick"
        gate.set()
        assert slow.result() == "slow"
    assert flights._flights == {}


def test_everybody_in_a_flight_hears_of_its_failure() -> None:
    """Those who waited must not hang or ask one after the other."""
    flights: SingleFlight[str] = SingleFlight()
    entered, gate = threading.Event(), threading.Event()
    asked: list[int] = []

    def fail() -> str:
        asked.append(1)
        entered.set()
        gate.wait(5)
        raise AWAY

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(flights.do, "key", fail)
        entered.wait(5)
        calls = [first, *(pool.submit(flights.do, "key", fail) for _ in range(3))]
        flight = flights._flights["key"]
        while len(flight._condition._waiters) < 3:
            time.sleep(0.001)
        gate.set()
        for call in calls:
            with pytest.raises(KEKUnavailableError):
                call.result()
    assert asked == [1]
