"""Which engine does the work, and that both do the same."""

from __future__ import annotations

import sys
from types import ModuleType

import orjson
import pytest

from aegis_stream.encryption import Opened, PIIDecryptor, PIIEncryptor, Protected, SingleDek, Unreadable
from aegis_stream.encryption.engine import NATIVE_VERSION, Engine, engine_name, find_native, native_module
from aegis_stream.errors import ConfigurationError, ReadReason
from aegis_stream.hybrid import HybridKEM, HybridPrivateKey
from aegis_stream.pii import Policy
from aegis_stream.session import SessionLimits

VERSION = "dek-v1-20260101"
PAIR = HybridKEM.generate_keypair()
PRIVATE = HybridPrivateKey.from_bytes(PAIR.private)
EVENT = {"event_id": "e-1", "actor_id": "alice", "x": [{"signer_id": [1, None], "a/b": {"actorId": "\u00e4\n"}}]}
HAS_NATIVE = find_native().module is not None
ENGINES = [Engine.PYTHON, Engine.NATIVE] if HAS_NATIVE else [Engine.PYTHON]


def writer(engine: Engine, policy: Policy | None = None, **options: object) -> PIIEncryptor:
    """Make an encryptor with one engine."""
    return PIIEncryptor(public_key=PAIR.public, dek_version=VERSION, policy=policy, engine=engine, **options)  # type: ignore[arg-type]


def reader(engine: Engine, policy: Policy | None = None, **options: object) -> PIIDecryptor:
    """Make a decryptor with one engine."""
    source = SingleDek(dek_version=VERSION, public_key=PAIR.public, decapsulate=PRIVATE.decapsulate, policy=policy)
    return PIIDecryptor(source, engine=engine, **options)  # type: ignore[arg-type]


def test_an_engine_that_does_not_exist_is_refused() -> None:
    """A typing error must not choose one silently."""
    with pytest.raises(ConfigurationError):
        native_module("rust")


def test_python_is_used_where_it_is_asked_for() -> None:
    """It is the reference."""
    assert native_module(Engine.PYTHON) is None
    assert writer(Engine.PYTHON).stats.engine == "python"


def test_a_missing_native_engine_is_said_and_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` goes on in Python; who demands the native one is told what to install."""
    monkeypatch.setitem(sys.modules, "aegis_stream_native", None)
    assert native_module(Engine.AUTO) is None
    with pytest.raises(ConfigurationError, match="not installed"):
        native_module(Engine.NATIVE)


def test_a_native_engine_of_another_version_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two are released together and share no stable interface."""
    other = ModuleType("aegis_stream_native")
    other.__version__ = "9.9.9"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "aegis_stream_native", other)
    assert native_module(Engine.AUTO) is None
    with pytest.raises(ConfigurationError, match=r"9\.9\.9"):
        native_module(Engine.NATIVE)


@pytest.mark.parametrize("reading", ENGINES)
@pytest.mark.parametrize("writing", ENGINES)
@pytest.mark.parametrize(
    "policy",
    [Policy(), Policy(names=("event_id",)), Policy(pointers=("/x/*/signer_id/1", "/x/0/*"), exclude=("signer_id",))],
    ids=["default", "names", "pointers"],
)
def test_each_engine_opens_what_the_other_wrote(writing: Engine, reading: Engine, policy: Policy) -> None:
    """They are one format."""
    (protected,) = writer(writing, policy).protect_batch([orjson.dumps(EVENT)], sources=["t/0/1"])
    assert isinstance(protected, Protected)
    events = [protected.value] * 3
    assert reader(reading, policy).open_batch(events) == [Opened(EVENT, VERSION, "t/0/1")] * 3


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "raw",
    [
        b'{"act\\u006fr_id":"alice","x":1}',
        b'{"actor_id":"alice","event_id":"later"}',
        b' { "actor_id" : "al\\u00efce" , "n" : 1.50e2 , "deep" : [ [ { "signer_id" : { "a" : [ 1 , 2 ] } } ] ] } ',
        b'{"actor_id":{"_encrypted":true},"y":{"_ciphertext":{"actor_id":1}}}',
        b"{}",
        b'{"actor_id":-9223372036854775808,"signer_id":18446744073709551615,"workflow_id":1E5}',
        b'{"actor_id":"\\ud83d\\ude00\\"\\\\\\/\\b\\f\\n\\r\\t"}',
    ],
    ids=str,
)
def test_unusual_events_go_round(engine: Engine, raw: bytes) -> None:
    """Escaped names, an event_id behind the fields, blanks, imitations, numbers at their limits."""
    (protected,) = writer(engine).protect_batch([raw])
    assert isinstance(protected, Protected)
    assert b"alice" not in protected.value
    (opened,) = reader(engine).open_batch([protected.value])
    assert isinstance(opened, Opened)
    assert opened.event == orjson.loads(raw)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "raw",
    [
        b'{"actor_id":1,"actor_id":2}',
        b'{"event_id":"a","event_id":"b"}',
        b'{"x":{"a":1,"a":2}}',
        b'{"_a\\u0065gis":1}',
        b'{"x":1e999}',
        b'{"x":18446744073709551616}',
        b'{"x":' + b"[" * 64 + b"]" * 64 + b"}",
        b'{"x":"\\ud800"}',
        b'{"x":1}}',
        b'\xef\xbb\xbf{"x":1}',
        b'{"x":"\x01"}',
        b"[]",
        b"",
    ],
    ids=str,
)
def test_both_engines_refuse_alike(engine: Engine, raw: bytes) -> None:
    """The reasons are the reference's, whoever looked first."""
    assert writer(engine).protect_batch([raw]) == writer(Engine.PYTHON).protect_batch([raw])
    assert not isinstance(writer(engine).protect_batch([raw])[0], Protected)


@pytest.mark.skipif(not HAS_NATIVE, reason="the native core is built where there is a Rust compiler")
class TestNative:
    """What only the native engine has."""

    def test_it_names_itself(self) -> None:
        """Logs, metrics and doctor show which engine was at work."""
        assert (
            writer(Engine.AUTO).stats.engine == engine_name(native_module(Engine.NATIVE)) == f"native {NATIVE_VERSION}"
        )

    @pytest.mark.parametrize("threads", [1, 2, 7, 1000])
    def test_a_batch_over_threads_keeps_its_order(self, threads: int) -> None:
        """Kafka's order is the partition's."""
        raw = [b'{"actor_id":%d}' % number if number % 5 else b"nonsense" for number in range(100)]
        results = writer(Engine.NATIVE, threads=threads).protect_batch(raw)
        values = [result.value if isinstance(result, Protected) else b"" for result in results]
        opened = reader(Engine.NATIVE, threads=threads).open_batch(values)
        assert [one.event["actor_id"] if isinstance(one, Opened) else None for one in opened] == [
            number if number % 5 else None for number in range(100)
        ]

    def test_counts_are_those_of_python(self) -> None:
        """Metrics must not depend on the engine."""
        raw = [orjson.dumps(EVENT)] * 5 + [b"{"]
        one, other = writer(Engine.NATIVE), writer(Engine.PYTHON)
        one.protect_batch(raw)
        other.protect_batch(raw)
        assert (one.stats.fields, one.stats.rejected, one.stats.events) == (
            other.stats.fields,
            other.stats.rejected,
            other.stats.events,
        )

    def test_limits_of_a_session_hold(self) -> None:
        """What a session cannot take is done by Python, which opens the next."""
        limited = writer(Engine.NATIVE, limits=SessionLimits(max_fields=4))
        results = limited.protect_batch([b'{"actor_id":1,"signer_id":2}'] * 6)
        kems = [orjson.loads(result.value)["_aegis"]["kem"] for result in results if isinstance(result, Protected)]
        assert len(kems) == 6
        assert max(map(kems.count, kems)) <= 2

    def test_a_changed_event_of_a_known_session_is_refused(self) -> None:
        """A session that is known vouches for its texts, not for an event."""
        (protected,) = writer(Engine.NATIVE).protect_batch([orjson.dumps(EVENT)])
        assert isinstance(protected, Protected)
        changed = orjson.loads(protected.value)
        changed["_aegis"]["set"] = "0" * 64
        opener = reader(Engine.NATIVE)
        results = opener.open_batch([protected.value, orjson.dumps(changed), protected.value])
        assert [isinstance(result, Opened) for result in results] == [True, False, True]
        assert results[1] == Unreadable(ReadReason.SET, "", VERSION)

    def test_forgotten_sessions_are_judged_anew(self) -> None:
        """A bound of one session still opens all events."""
        values = []
        for _ in range(3):
            (protected,) = writer(Engine.NATIVE).protect_batch([orjson.dumps(EVENT)])
            assert isinstance(protected, Protected)
            values.append(protected.value)
        opened = reader(Engine.NATIVE, cached_sessions=1).open_batch(values * 3)
        assert opened == [Opened(EVENT, VERSION)] * 9
