"""`aegis demo`: the whole flow from nothing, in a few seconds, and nothing left behind."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aegis_stream.cli._demo.show import Stage

if TYPE_CHECKING:
    from aegis_stream.cli._demo.deployment import Deployment

_NEXT = {
    "aegis classify events.jsonl": "what would be encrypted in your own events, and what would be missed",
    "aegis topics create": "make the topics on your Kafka (AEGIS_BROKER)",
    "aegis keys init --out keys --kek-out keys/kek.key": "make a deployment's keys",
    "aegis run rotator, aegis run enricher": "start its two processes",
    "aegis produce --generate 1000, aegis consume": "write and read events",
    "make test": "see all of it hold against a real Kafka",
}


def demo(
    *,
    events: Annotated[int, typer.Option("--events", "-n", min=50, max=20_000, help="How many events.")] = 1_000,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the events.")] = 7,
) -> None:
    """Show the whole flow: topics, keys, enricher and rotator, events, reading back, and an attack that is refused.

    Needs no Kafka: without AEGIS_BROKER an embedded broker is run in a temporary folder.  With it, topics with names of
    their own are made there and removed again.

    Example: `aegis demo`
    """
    began = time.monotonic()
    stage = Stage()
    before = dict(os.environ)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C, and takes its processes with it
    logging.getLogger("aegis_stream").setLevel(logging.ERROR)  # that the KEK is a file's: true, and meant here
    try:
        with tempfile.TemporaryDirectory(prefix="aegis-demo-") as folder:
            _play(stage, Path(folder), events=events, seed=seed)
    finally:
        os.environ.clear()
        os.environ.update(before)
    stage.step("Done", f"{time.monotonic() - began:.1f} s; processes stopped, files and topics removed")
    stage.closing(_NEXT)


def _play(stage: Stage, folder: Path, *, events: int, seed: int) -> None:
    """Find a broker, make topics and keys on it, and tell the story with them."""
    from aegis_stream.cli._demo.broker import embedded_broker  # noqa: PLC0415 - aiokafka takes time to import
    from aegis_stream.cli._demo.deployment import Deployment  # noqa: PLC0415 - as above

    given = os.environ.get("AEGIS_BROKER", "")
    with ExitStack() as stack:
        broker = given or stack.enter_context(embedded_broker(folder))
        stage.step("Broker", f"{broker} (yours)" if given else f"{broker} (embedded, for this demo)")
        deployment = Deployment(folder, broker)
        if given:
            stack.callback(deployment.remove_topics)
        deployment.make_topics()
        stage.step("Topics", f"{deployment.name}.raw, .encrypted, .dead-letter, .dead-letter-state, .control")
        stage.step("Keys", deployment.make_keys())
        asyncio.run(_run(stage, deployment, events=events, seed=seed))


async def _run(stage: Stage, deployment: Deployment, *, events: int, seed: int) -> None:
    """Run the two processes for as long as the story takes."""
    from aegis_stream.cli._demo.story import Story  # noqa: PLC0415 - as above

    async with deployment.processes() as (rotator, enricher, took_s):
        stage.step("Processes", f"rotator ({rotator.pid}) and enricher ({enricher.pid}), ready after {took_s:.1f} s")
        await Story(stage, deployment.use_as("reader"), count=events, seed=seed).tell()
