"""Enricher and reader on a real Kafka with the KEK in KMS (moto) and in an HSM (SoftHSM2), also while that is away."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import shlex
import shutil
from typing import TYPE_CHECKING, Protocol

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from aegis_stream.cli import main
from aegis_stream.client import open_consumer
from aegis_stream.kek import Backoff, hsm_key, wait_for_keks
from aegis_stream.kek.hsm_library import HsmLibrary
from aegis_stream.kek.provision import HsmPlace, KEKKeypair, provision_hsm, provision_kms
from aegis_stream.kek.secret import Secret
from aegis_stream.settings import load_settings
from tests.support.enricher_process import EnricherProcess
from tests.support.moto_kms import Gate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from aegis_stream.kek.provision import Provisioned
    from tests.support.moto_kms import MotoKms
    from tests.support.softhsm import HsmToken, SoftHsm

pytestmark = pytest.mark.kafka
ROLES = ("raw", "encrypted", "dead_letter", "dead_letter_state", "control")
_numbers = itertools.count(1)
FIELDS = ("actor_id", "decision_rationale", "requested_by")


class Keeper(Protocol):
    """Where the KEK's private key is unwrapped, with a switch."""

    name: str
    why: str

    def provision(self) -> Mapping[str, str]:
        """Make a KEK there; returns all variables of a reader."""

    def stop(self) -> None:
        """Be away from now on."""

    def start(self) -> None:
        """Be back."""


class Kms:
    """moto behind a gate."""

    name = "kms"
    why = "AWS KMS cannot be reached"

    def __init__(self, moto: MotoKms, aws: pytest.MonkeyPatch) -> None:
        """Point AWS_ENDPOINT_URL_KMS at the gate."""
        self._moto = moto
        self._gate = Gate(moto.port)
        aws.setenv("AWS_ENDPOINT_URL_KMS", self._gate.url)
        self.start()

    def provision(self) -> Mapping[str, str]:
        """Make a KEK."""
        return provision_kms(self._moto.create_key(), keypair=KEKKeypair.generate()).variables

    def stop(self) -> None:
        """Close the gate."""
        self._gate.close()

    def start(self) -> None:
        """Open the gate."""
        self._gate.open()


class Hsm:
    """A SoftHSM2 token whose folder can be taken away."""

    name = "hsm"
    why = "no token has the label"

    def __init__(self, softhsm: SoftHsm, token: HsmToken) -> None:
        """Take a token."""
        self._softhsm = softhsm
        self._token = token
        self._away = softhsm.tokens.parent / "unplugged"

    def provision(self) -> Mapping[str, str]:
        """Make a wrapping key and a KEK."""
        place = HsmPlace(self._token.library, self._token.label, Secret(self._token.pin), "aegis-kek-v1")
        made: Provisioned = provision_hsm(place, keypair=KEKKeypair.generate(), make_wrapping_key=True)
        return {**made.variables, "AEGIS_HSM_PIN": self._token.pin}

    def stop(self) -> None:
        """Unplug it: its folder goes, and the library is told to look again."""
        shutil.move(self._softhsm.tokens, self._away)
        self._softhsm.tokens.mkdir()
        library = HsmLibrary.open(self._token.library)
        assert isinstance(library, HsmLibrary)
        library.recover(library.generation)

    def start(self) -> None:
        """Plug it in."""
        self._softhsm.tokens.rmdir()
        shutil.move(self._away, self._softhsm.tokens)


@pytest.fixture(params=[pytest.param("kms", marks=pytest.mark.kms), pytest.param("hsm", marks=pytest.mark.hsm)])
def keeper(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keeper]:
    """Yield each keeper in turn; it is back at the end."""
    if request.param == "kms":
        kms = Kms(request.getfixturevalue("moto_kms"), request.getfixturevalue("aws"))
        yield kms
        kms.stop()
        return
    monkeypatch.setattr(hsm_key, "_DELAYS_S", (0.1,))  # how long one call tries is proven elsewhere
    softhsm: SoftHsm = request.getfixturevalue("softhsm")
    yield Hsm(softhsm, softhsm.token(f"end to end {next(_numbers)}"))
    if (softhsm.tokens.parent / "unplugged").exists():
        softhsm.tokens.rmdir()
        shutil.move(softhsm.tokens.parent / "unplugged", softhsm.tokens)


class Deployment:
    """Topics, keys and an enricher in a process of its own."""

    def __init__(self, folder: Path) -> None:
        """Read what `aegis keys init` wrote for the enricher."""
        lines = (folder / "enricher.env").read_text().splitlines()
        own = {name: shlex.split(value)[0] for name, _, value in (line.partition("=") for line in lines)}
        topics = {name: value for name, value in os.environ.items() if name.startswith(("AEGIS_TOPIC", "AEGIS_BROKER"))}
        self.enricher = EnricherProcess({**topics, **own}, log=folder / "enricher.log")
        self.agent_key = folder / "agent-signing.pub"
        self._sent = 0

    async def send(self, count: int) -> list[dict[str, object]]:
        """Write raw events; returns them."""
        events: list[dict[str, object]] = []
        async with AIOKafkaProducer(bootstrap_servers=os.environ["AEGIS_BROKER"]) as producer:
            for _ in range(count):
                self._sent += 1
                event: dict[str, object] = {"event_id": f"e-{self._sent}", "n": self._sent}
                event |= {field: f"{field} of {self._sent}" for field in FIELDS}
                await producer.send_and_wait(os.environ["AEGIS_TOPIC_RAW"], orjson.dumps(event), partition=0)
                events.append(event)
        return events


@pytest.fixture
def deployment(
    kafka: str,
    topic_name: Callable[[str], str],
    keeper: Keeper,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Deployment]:
    """Yield a deployment whose KEK is at the keeper; the process is the reader's.

    Its enricher gets ready while the keeper is away.
    """
    for name in [name for name in os.environ if name.startswith("AEGIS_")]:
        monkeypatch.delenv(name)
    for name, value in keeper.provision().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AEGIS_BROKER", kafka)
    monkeypatch.setenv("AEGIS_DEPLOYMENT", topic_name("d")[:90])
    monkeypatch.setenv("AEGIS_APPLICATION_ID", topic_name("app")[:90])
    monkeypatch.setenv("AEGIS_READER_GROUP", topic_name("readers")[:90])
    monkeypatch.setenv("AEGIS_STATE_DIR", str(tmp_path / "state"))
    for role in ROLES:
        monkeypatch.setenv(f"AEGIS_TOPIC_{role.upper()}", topic_name(role))
    assert main(["topics", "create", "--partitions", "1"]) == 0
    assert main(["keys", "init", "--out", str(tmp_path / "keys")]) == 0
    made = Deployment(tmp_path / "keys")
    monkeypatch.setenv("AEGIS_AGENT_PUBLIC_KEY_FILE", str(made.agent_key))
    keeper.stop()
    with made.enricher:
        made.enricher.until_ready()
        keeper.start()
        yield made


async def read(count: int) -> list[dict[str, object]]:
    """Read events as any program does, with what the environment configures."""
    async with asyncio.timeout(60), open_consumer(load_settings()) as consumer:
        events = [(await anext(consumer)).event for _ in range(count)]
        await consumer.commit()
        return events


async def test_keeper_is_needed_at_a_readers_start_and_never_again(
    deployment: Deployment, keeper: Keeper, caplog: pytest.LogCaptureFixture
) -> None:
    """Gone after the start: no effect.  Gone before it: the reader waits, says why, and goes on by itself."""
    events = await deployment.send(3)
    async with asyncio.timeout(60), open_consumer(load_settings()) as consumer:
        assert [(await anext(consumer)).event for _ in range(3)] == events
        keeper.stop()
        events = await deployment.send(5)  # the enricher never needs it
        assert [(await anext(consumer)).event for _ in range(5)] == events
        await consumer.commit()
    with caplog.at_level(logging.WARNING, logger="aegis_stream.kek"):
        events = await deployment.send(4)
        reading = asyncio.create_task(read(4))
        async with asyncio.timeout(60):
            while caplog.text.count("waiting for the KEK: ") < 2:  # noqa: ASYNC110 - the log is all it says
                await asyncio.sleep(0.02)
        assert not reading.done()
        assert keeper.why in caplog.text
        keeper.start()
        assert await reading == events


async def test_waiting_reader_tells_who_asks(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program with a readiness page of its own hears each try, with a reason that helps."""
    for name, value in keeper.provision().items():
        monkeypatch.setenv(name, value)
    keeper.stop()
    heard: list[str] = []

    def on_wait(error: Exception) -> None:
        heard.append(str(error))
        keeper.start()

    keks = await wait_for_keks(backoff=Backoff(0.05), on_wait=on_wait)
    assert [kek.name for kek in keks] == [keeper.name]
    assert len(heard) == 1
