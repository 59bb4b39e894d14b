"""The re-encryptor as a process: `aegis run reencryptor`.

It copies encrypted history to a new topic, events below a version encrypted anew under the active one, and ends when it
has reached the end that the topic had at the start.  It is the one process that holds both a KEK and a session-signing
key, so it runs for as long as the work takes and with an enrolled key of its own.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from aegis_stream.client.connection import connection_kwargs
from aegis_stream.client.control import control_follower
from aegis_stream.client.history import UNLIMITED, topic_settings
from aegis_stream.client.topics import preflight
from aegis_stream.client.topics.plan import DEFAULT_MAX_MESSAGE_BYTES, dead_letter_bytes
from aegis_stream.errors import AegisError, BrokerError, BrokerReason
from aegis_stream.kek import wait_for_keks
from aegis_stream.session_signer import SessionSigner
from topologies.batches import BATCH_HEAD_BYTES, RECORD_HEAD_BYTES, SizeLimits
from topologies.death import EXIT_DIED
from topologies.logs import configure_logging
from topologies.recrypt import PolicyEncryptors
from topologies.reencrypt_job import job_name
from topologies.reencrypt_life import Life, Plan
from topologies.rotate_deks import EXIT_FENCED, FIRST_PAUSE_S, LAST_PAUSE_S
from topologies.worker import use_fast_loop
from topologies.writers import KeyringWriters, library_encryptor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aegis_stream.client.follow import ControlFollower
    from aegis_stream.kek import KEKProvider
    from aegis_stream.keyring.view import ActiveDek, View
    from aegis_stream.settings import Settings
    from topologies.reencrypt_account import Account
    from topologies.writer import BatchEncryptor

EXIT_STOPPED_EARLY = EXIT_FENCED
"""Stopped before the end, or taken over: run it again, it goes on where it was."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Keys:
    """What a follower knows, as writers ask for it."""

    follower: ControlFollower

    @property
    def view(self) -> View:
        """The keyring's present state."""
        return self.follower.keyring.view

    @property
    def at_end(self) -> bool:
        """Whether the control topic was read to its end."""
        return self.follower.at_end

    @property
    def problem(self) -> AegisError | None:
        """What went wrong last."""
        return self.follower.problem or self.follower.keyring.last_refusal


async def look_before_reencrypting(settings: Settings, plan: Plan) -> SizeLimits:
    """Return what the two topics that are written take, once all three were found fit.

    A topic that keeps records for less long, or takes smaller ones, than the one that is read would lose history.
    Raises BrokerError, BrokerUnavailableError.
    """
    connection = connection_kwargs(settings)
    outputs = (plan.target, plan.refused_topic)
    await preflight(connection, source=plan.source, outputs=outputs, group=job_name(settings, plan.target))
    source, target, refused = [await topic_settings(connection, name) for name in (plan.source, *outputs)]
    largest = _bytes(source)
    _must_keep(plan.target, target, plan, source)
    _must_keep(plan.refused_topic, refused, plan, source)
    for name, found, wanted in (
        (plan.target, _bytes(target), largest),
        (plan.refused_topic, _bytes(refused), dead_letter_bytes(largest)),
    ):
        if found < wanted:
            raise _unfit(name, f"max.message.bytes is {found:,}, wanted: {wanted:,} or more")
    if target.get("message.timestamp.type", "CreateTime") != "CreateTime":
        raise _unfit(plan.target, "message.timestamp.type must be CreateTime: events keep their time")
    if target.get("cleanup.policy", "delete") != "delete":
        raise _unfit(plan.target, "cleanup.policy must be delete: compaction would drop events of one key")
    return SizeLimits(_bytes(target), _bytes(refused))


def _must_keep(name: str, settings: Mapping[str, str], plan: Plan, source: Mapping[str, str]) -> None:
    """Refuse a topic that lets records go earlier than the one that is read."""
    for setting in ("retention.ms", "retention.bytes"):
        kept, wanted = (int(each.get(setting, UNLIMITED)) for each in (settings, source))
        if kept != UNLIMITED and (wanted == UNLIMITED or kept < wanted):
            raise _unfit(name, f"{setting} is {kept}, less than the {wanted} of {plan.source}")


def _bytes(settings: Mapping[str, str]) -> int:
    return int(settings.get("max.message.bytes", DEFAULT_MAX_MESSAGE_BYTES))


def _unfit(topic: str, what: str) -> BrokerError:
    return BrokerError(
        BrokerReason.TOPIC_SETTINGS, f"{topic}: {what}", remedy="`aegis history prepare` makes topics that fit"
    )


async def reencrypt(
    settings: Settings,
    plan: Plan,
    stop: asyncio.Event,
    *,
    on_progress: Callable[[Account], None] = lambda _account: None,
    keks: Sequence[KEKProvider] | None = None,
) -> Account:
    """Do the work, one life after the other while Kafka or the KEK's keeper is away; returns the account.

    keks: by default what the environment configures.
    Raises ConfigurationError, BrokerError, KEKError, ManifestRefusedError: what waiting does not mend.
    """
    limits = await look_before_reencrypting(settings, plan)
    held = await wait_for_keks() if keks is None else keks
    async with control_follower(settings, purpose="reencryptor", writes=True) as follower:
        await follower.wait_ready(settings.control_wait_s)
        await follower.wait_manifest(settings.control_wait_s)
        writers = _writers(settings, follower, limits)
        pause_s = FIRST_PAUSE_S
        while True:
            life = Life(
                plan=plan,
                name=job_name(settings, plan.target),
                connection=connection_kwargs(settings),
                follower=follower,
                writers=writers,
                keks=held,
                limits=limits,
                engine=settings.engine,
                compression=settings.compression,
                control_wait_s=settings.control_wait_s,
                on_progress=on_progress,
            )
            try:
                async with life:
                    return await life.run(stop)
            except AegisError as error:
                if not error.retryable or stop.is_set():
                    raise
                pause_s = FIRST_PAUSE_S if life.committed else min(2 * pause_s, LAST_PAUSE_S)
                _log.warning("waiting", why=str(error), remedy=error.remedy, again_in_s=pause_s)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause_s)


def _writers(settings: Settings, follower: ControlFollower, limits: SizeLimits) -> KeyringWriters:
    seed = settings.session_signing_key
    make = library_encryptor(settings.engine)

    def make_for_policies(active: ActiveDek, signer: SessionSigner | None, max_output_bytes: int) -> BatchEncryptor:
        return PolicyEncryptors(make, active, signer, max_output_bytes)

    return KeyringWriters(
        _Keys(follower),
        signer=None if seed is None else SessionSigner.from_seed(seed.get_secret_value()),
        max_output_bytes=limits.encrypted - BATCH_HEAD_BYTES - RECORD_HEAD_BYTES,
        make_encryptor=make_for_policies,
    )


def run_reencryptor(
    settings: Settings, plan: Plan, *, on_progress: Callable[[Account], None] = lambda _account: None
) -> Account | None:
    """Run in this process until all is done, or SIGTERM or SIGINT; returns the account, None after a defect of ours.

    A signal ends it behind the batch in hand.  Raises as `reencrypt`.
    """
    configure_logging(settings)
    use_fast_loop()

    async def main() -> Account:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        return await reencrypt(settings, plan, stop, on_progress=on_progress)

    try:
        return asyncio.run(main())
    except AegisError:
        raise
    except Exception:  # noqa: BLE001 - told by class and place, see logs.py
        _log.critical("died", exc_info=True)
        return None


def exit_code_of(account: Account | None) -> int:
    """Return 0 all is done, 1 so it is and records were refused, 70 a defect or a wrong account, 75 stopped early."""
    if account is None or not account.adds_up:
        return EXIT_DIED
    if not account.complete:
        return EXIT_STOPPED_EARLY
    return 1 if account.total.refused else 0
