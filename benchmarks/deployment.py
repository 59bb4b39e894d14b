"""A deployment's keys for the length of one benchmark: on the broker's control topic, and in a worker's environment."""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer

from aegis_stream.hybrid import HybridKEM
from aegis_stream.keyring.entries import KeyState, SignerEntry
from aegis_stream.keyring.maker import ManifestMaker
from aegis_stream.pii import Policy
from aegis_stream.session_signer import SessionSigner
from aegis_stream.signature import AgentSigner
from aegis_stream.wire import b64encode
from benchmarks.topics import create_topics

if TYPE_CHECKING:
    from collections.abc import Mapping

DEPLOYMENT = "benchmark"
LIFE_S = 86_400


async def deploy(bootstrap: str, control: str) -> Mapping[str, str]:
    """Make a control topic with a first manifest, whose sessions are signed; returns variables for an enricher."""
    agent, session = AgentSigner.from_seed(os.urandom(64)), SessionSigner.generate()
    change = ManifestMaker(agent, life_s=LIFE_S).first(
        deployment=DEPLOYMENT,
        kek_public_key=HybridKEM.generate_keypair().public,
        policy=Policy.default(),
        enrichers=[SignerEntry(session.public, KeyState.CURRENT, 1)],
        now=dt.datetime.now(dt.UTC),
    )
    await create_topics(bootstrap, [control], partitions=1, settings={"cleanup.policy": "compact"})
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True) as producer:
        for key, value in change.writes:
            await producer.send_and_wait(control, value, key=key.encode())
    return {
        "AEGIS_BROKER": bootstrap,
        "AEGIS_DEPLOYMENT": DEPLOYMENT,
        "AEGIS_TOPIC_CONTROL": control,
        "AEGIS_AGENT_PUBLIC_KEY": b64encode(agent.public),
        "AEGIS_SESSION_SIGNING_KEY": b64encode(session.export_seed()),
        "AEGIS_WEB_PORT": "off",
        "AEGIS_LOG_LEVEL": "warning",
    }
