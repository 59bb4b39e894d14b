"""Fixtures that many kinds of tests share: a real Kafka, and names nobody else uses."""

from __future__ import annotations

import itertools
import os
import time
from typing import TYPE_CHECKING

import hypothesis  # noqa: F401 - else its plugin imports it after the last test, where CPython below 3.11.8 may fail (gh-106905)
import pytest

from tests.support.custody_fixtures import (  # noqa: F401 - fixtures
    aws,
    hsm_token,
    kek_pair,
    kms_endpoint,
    kryoptic,
    moto_endpoint,
    moto_kms,
    softhsm,
    wrapping,
)
from tools.kafka import KafkaServer, RestartableBroker, own_kafka, resolve_kafka

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tools.kafka import Broker

FOR_TESTS = {"AEGIS_TEST_BROKER", "AEGIS_CHAOS", "AEGIS_FUZZ_EXAMPLES"}
SECURE_NAMES = (
    *("enricher", "agent", "reader", "producer", "operator", "nobody"),
    *("administrator", "rotator", "reencryptor", "replayer", "dashboard"),
)
SECURE_USERS = {name: f"{name}-password" for name in SECURE_NAMES}
_numbers = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def _own_environment() -> Iterator[None]:
    """Hide the settings of whoever runs the tests: what is tested is told by the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AEGIS_") and name not in FOR_TESTS]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def long_chaos() -> bool:
    """Tell a chaos test to run in its long form (`make chaos`), not the one that `.ci/run` has time for."""
    return os.environ.get("AEGIS_CHAOS") == "long"


@pytest.fixture(scope="session")
def _broker() -> Iterator[Broker]:
    """One broker for the whole session; without any way to have one the tests fail and say what to install."""
    with resolve_kafka() as broker:
        yield broker


@pytest.fixture(scope="session")
def kafka(_broker: Broker) -> str:
    """Bootstrap address of a real Kafka."""
    return _broker.bootstrap


@pytest.fixture(scope="session")
def kafka_server(_broker: Broker) -> Iterator[RestartableBroker]:
    """Yield a Kafka that the test may restart: the session's own, or a second one where that was given from outside."""
    if isinstance(_broker, RestartableBroker):
        yield _broker
        return
    with own_kafka() as server:
        yield server


@pytest.fixture(scope="session")
def kafka_secure() -> Iterator[KafkaServer]:
    """Yield a Kafka with TLS, SCRAM users (SECURE_USERS), client certificates and an authorizer; see `.security`."""
    with KafkaServer(secure=True, users=SECURE_USERS) as server:
        yield server


@pytest.fixture
def topic_name(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Return a maker of names for topics, groups and the like that no other test and no earlier run has used."""
    test = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)[:60]

    def name(purpose: str = "topic") -> str:
        return f"{purpose}.{test}.{os.getpid()}-{int(time.time())}-{next(_numbers)}"

    return name
