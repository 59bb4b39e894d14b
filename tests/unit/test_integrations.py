"""Other clients' adapters, as far as they need no Kafka."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from aegis_stream.encryption import Opened, SingleDek, create_pii_decryptor, create_pii_enricher
from aegis_stream.encryption.reader import PIIDecryptor
from aegis_stream.errors import AegisError, ConfigurationError, EventRefusedError, EventUnreadableError
from aegis_stream.hybrid import HybridKEM, HybridPrivateKey
from aegis_stream.integrations.background import Background
from aegis_stream.integrations.confluent import EventDeserializer, EventSerializer, FollowedKeys, FollowedWriter
from aegis_stream.integrations.faststream import EventDecoder
from aegis_stream.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PAIR = HybridKEM.generate_keypair()
DEK = "dek-v1-20260101"
EVENT = {"event_id": "e-1", "actor_id": "mara"}


def test_a_serializer_and_a_deserializer_are_inverse() -> None:
    """Bare keys need no deployment; a decryptor over any DekSource will do."""
    serializer = EventSerializer(create_pii_enricher(public_key=PAIR.public, dek_version=DEK))
    key = HybridPrivateKey.from_bytes(PAIR.private)
    source = SingleDek(dek_version=DEK, public_key=key.public, decapsulate=key.decapsulate, policy=None)
    value = serializer(EVENT, None)
    assert value is not None
    assert b"mara" not in value
    assert EventDeserializer(PIIDecryptor(source))(value, None) == EVENT
    assert EventDeserializer(PIIDecryptor(source), whole=True)(value) == Opened(EVENT, DEK, None)


def test_no_value_stays_no_value() -> None:
    """Kafka's tombstones pass through every serializer as None."""
    assert EventSerializer(create_pii_enricher(public_key=PAIR.public, dek_version=DEK))(None) is None
    assert EventDeserializer(create_pii_decryptor(private_key=PAIR.private, dek_version=DEK))(None) is None


def test_refusals_are_raised() -> None:
    """A deserializer that gave None or the ciphertext would hide an attack."""
    with pytest.raises(EventUnreadableError):
        EventDeserializer(create_pii_decryptor(private_key=PAIR.private, dek_version=DEK))(b'{"actor_id":"mara"}')
    with pytest.raises(EventRefusedError):
        EventSerializer(create_pii_enricher(public_key=PAIR.public, dek_version=DEK))({"score": float("nan")})


@pytest.mark.parametrize("follow", [FollowedKeys, FollowedWriter])
def test_keys_that_nobody_follows_open_nothing(follow: type[FollowedKeys | FollowedWriter]) -> None:
    """A forgotten `with` is a mistake to be told, not a refusal of the event."""
    followed = follow(Settings(broker="127.0.0.1:1"))
    with pytest.raises(RuntimeError, match="use `with`"):
        followed.open(b"{}") if isinstance(followed, FollowedKeys) else followed.protect(b"{}")


@pytest.mark.parametrize("follow", [FollowedKeys, FollowedWriter])
def test_a_deployment_that_is_not_configured_is_refused_at_once(
    follow: type[FollowedKeys | FollowedWriter],
) -> None:
    """What starting finds wrong belongs to whoever started, not to a thread that nobody reads."""
    followed = follow(Settings(broker="127.0.0.1:1"))
    with pytest.raises(AegisError):
        followed.__enter__()
    assert [thread for thread in threading.enumerate() if thread.name.startswith("aegis: ")] == []


async def test_a_decoder_outside_its_lifespan_says_so() -> None:
    """Records before the keys are there would all look refused."""

    class Message:
        committed = None

    with pytest.raises(RuntimeError, match="lifespan"):
        await EventDecoder.following(Settings(broker="127.0.0.1:1"))(Message())  # type: ignore[arg-type]


async def test_a_decoder_over_bare_keys_needs_no_lifespan() -> None:
    """One application may switch between both without another line."""
    decoder = EventDecoder(create_pii_decryptor(private_key=PAIR.private, dek_version=DEK))
    async with decoder.lifespan():
        assert decoder._opening is not None


def test_a_context_lives_in_its_thread() -> None:
    """What follows the control topic must stay on one event loop from its start to its end."""
    seen: list[tuple[str, str]] = []

    def note(what: str) -> None:
        seen.append((what, threading.current_thread().name))

    @asynccontextmanager
    async def context() -> AsyncIterator[int]:
        note("entered")
        yield 7
        note("left")

    async def work() -> str:
        note("worked")
        return "done"

    background = Background(context, name="apart")
    assert background.start() == 7
    with pytest.raises(RuntimeError, match="already"):
        background.start()
    assert background.run(work()) == "done"
    background.stop()
    background.stop()
    assert seen == [("entered", "apart"), ("worked", "apart"), ("left", "apart")]
    with pytest.raises(RuntimeError, match="not open"):
        background.run(work())


def test_a_context_that_cannot_be_entered_raises_where_it_was_wanted() -> None:
    """And the thread is gone, so that the next try begins anew."""

    @asynccontextmanager
    async def context() -> AsyncIterator[None]:
        raise ConfigurationError("not like this")
        yield

    background = Background(context, name="never")
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="not like this"):
            background.start()


@pytest.mark.parametrize(
    ("module", "vendor", "extra"),
    [("confluent", "confluent_kafka", "confluent"), ("faststream", "faststream", "faststream")],
)
def test_a_missing_extra_is_named(module: str, vendor: str, extra: str) -> None:
    """The one thing to do next must stand in the error."""
    script = f"import sys; sys.modules['{vendor}'] = None; import aegis_stream.integrations.{module}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ImportError: " in done.stderr
    assert f"pip install 'aegis-stream[{extra}]'" in done.stderr
