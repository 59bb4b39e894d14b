"""The rotation agent as a process: `aegis run rotator`.

It lives until SIGTERM or SIGINT.  Where Kafka is away it begins a new life later, with nothing kept from the old one;
where an operator must look it ends, and where another agent has taken over it ends with a code of its own, so that a
supervisor does not start it again at once.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from aegis_stream.client.connection import connection_kwargs
from aegis_stream.encryption import RotationSchedule
from aegis_stream.errors import AegisError, BrokerReason, BrokerUnavailableError, ConfigurationError
from aegis_stream.keyring.state_file import StateFile
from aegis_stream.settings.terms import terms_of
from aegis_stream.signature import AgentSigner
from topologies.death import EXIT_DIED
from topologies.logs import configure_logging
from topologies.rotation_agent import RotationAgent
from topologies.worker import EXIT_STOPPED, use_fast_loop

if TYPE_CHECKING:
    from aegis_stream.settings import Settings

EXIT_REFUSED = 1
EXIT_CONFIGURATION = 2
EXIT_FENCED = 75
"""Another agent of this deployment has taken over (EX_TEMPFAIL); give it time before this one is started again."""

FIRST_PAUSE_S = 1.0
LAST_PAUSE_S = 30.0

_log = structlog.get_logger(__name__)


def build_rotation_agent(settings: Settings, *, accept_rollback: int | None = None) -> RotationAgent:
    """Return an agent for one life.

    Raises ConfigurationError: no signing key, no broker, or a damaged state file; KeyRefusedError: a key is not sound.
    """
    if settings.agent_signing_key is None:
        raise ConfigurationError(
            "AEGIS_AGENT_SIGNING_KEY is not set",
            remedy="`aegis keys init` wrote it; AEGIS_AGENT_SIGNING_KEY_FILE may name its file",
        )
    state_file = StateFile(settings.state_dir / f"{settings.deployment}.agent.json", deployment=settings.deployment)
    return RotationAgent(
        deployment=settings.deployment,
        signer=AgentSigner.from_seed(settings.agent_signing_key.get_secret_value()),
        connection=connection_kwargs(settings),
        topic=settings.topic_control,
        state_file=state_file,
        agent_keys=settings.agent_public_keys,
        life_s=settings.manifest_life_s,
        interval_s=settings.manifest_interval_s,
        schedule=RotationSchedule.parse(settings.rotation_interval, jitter_s=settings.rotation_jitter_s),
        terms=terms_of(settings),
        accept_rollback=accept_rollback,
    )


async def run_agent(settings: Settings, stop: asyncio.Event, *, accept_rollback: int | None = None) -> int:
    """Live one life after the other until `stop` is set; returns the exit code of the process."""
    pause_s = FIRST_PAUSE_S
    agent: RotationAgent | None = None
    while not stop.is_set():
        if agent is not None and agent.published:
            pause_s, accept_rollback = FIRST_PAUSE_S, None  # what was accepted once is published by now
        try:
            agent = build_rotation_agent(settings, accept_rollback=accept_rollback)
            await agent.run(stop)
        except BrokerUnavailableError as error:
            _log.warning("Kafka is away", why=str(error), remedy=error.remedy, again_in_s=pause_s)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause_s)
            pause_s = min(2 * pause_s, LAST_PAUSE_S)
        except AegisError as error:
            _log.critical("ended", why=str(error), reason=error.reason, remedy=error.remedy)
            if isinstance(error, ConfigurationError):
                return EXIT_CONFIGURATION
            return EXIT_FENCED if error.reason == BrokerReason.FENCED else EXIT_REFUSED
    return EXIT_STOPPED


def run_rotator(settings: Settings, *, accept_rollback: int | None = None) -> int:
    """Run the agent in this process until SIGTERM or SIGINT; returns the exit code.

    0 stopped as asked; 1 the topic is not what it must be, see the last log line; 2 configuration; 70 something
    unexpected; 75 another agent has taken over.  accept_rollback: the sequence at which the topic stands, where it
    stands below what this agent has published (`aegis run rotator --accept-rollback SEQUENCE`).
    """
    configure_logging(settings)
    use_fast_loop()

    async def main() -> int:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        return await run_agent(settings, stop, accept_rollback=accept_rollback)

    try:
        return asyncio.run(main())
    except Exception:  # noqa: BLE001 - told by class and place, see logs.py
        _log.critical("died", exc_info=True)
        return EXIT_DIED
