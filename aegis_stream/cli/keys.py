"""`aegis keys`: the keys of a deployment."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from aegis_stream.cli import _agent_key, _backup, _prove
from aegis_stream.cli._exit import say_hint
from aegis_stream.cli._key_files import PolicyOption, policy_from
from aegis_stream.cli._key_set import KeySet
from aegis_stream.cli._keyring_report import print_table
from aegis_stream.cli._public_keys import custodian_public_key
from aegis_stream.errors import BrokerUnavailableError, ConfigurationError, KeyReason, KeyRefusedError
from aegis_stream.hybrid import HybridKEM, HybridPublicKey
from aegis_stream.keyring.entries import CustodianEntry, KeyState, Role, SignerEntry
from aegis_stream.keyring.keyring import Keyring
from aegis_stream.keyring.maker import ManifestMaker
from aegis_stream.keyring.report import report
from aegis_stream.secret_files import read_public_file
from aegis_stream.session_signer import SessionSigner
from aegis_stream.settings import Settings, load_settings
from aegis_stream.wire import b64decode, b64encode

if TYPE_CHECKING:
    from aegis_stream.hybrid import HybridKeypair
    from aegis_stream.keyring.maker import Change
    from aegis_stream.keyring.manifest import Manifest

app = typer.Typer(no_args_is_help=True, help="Make and show the keys of a deployment.")
app.command("prove-destroyed")(_prove.prove_destroyed)
_backup.register(app)
_agent_key.register(app)

READ_S = 60.0
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}", re.ASCII)
_ROLE_FILES = frozenset({"rotator", "reader", "operator"})


OutOption = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the key files; made if need be.")]
KekOutOption = Annotated[
    Path | None,
    typer.Option("--kek-out", metavar="FILE", help="File for the KEK's private key, instead of printing it once."),
]
KekPublicOption = Annotated[
    Path | None,
    typer.Option(
        "--kek-public",
        metavar="FILE",
        help="Public key of a KEK that is there already, in KMS or an HSM; none is made then.",
    ),
]
EnricherOption = Annotated[
    list[str] | None,
    typer.Option("--enricher", metavar="NAME", help="An enricher with a signing key of its own; may be repeated."),
]
RiskLeadOption = Annotated[
    Path | None, typer.Option("--risk-lead", metavar="FILE", help="Public key of the Risk Lead.")
]
SecurityLeadOption = Annotated[
    Path | None, typer.Option("--security-lead", metavar="FILE", help="Public key of the Security Lead.")
]
RecoveryOption = Annotated[
    Path | None,
    typer.Option("--recovery-key", metavar="FILE", help="Public key that may replace a lost custodian's."),
]


@app.command("init")
def init(  # noqa: PLR0913 - the options of a command
    *,
    out: OutOption,
    kek_out: KekOutOption = None,
    kek_public: KekPublicOption = None,
    policy: PolicyOption = None,
    enricher: EnricherOption = None,
    risk_lead: RiskLeadOption = None,
    security_lead: SecurityLeadOption = None,
    recovery_key: RecoveryOption = None,
) -> None:
    """Make the keys of a new deployment and publish its first manifest; once for each control topic.

    Writes key files (mode 0600) and, for each role, a file of the variables it needs and no other role's secrets.
    Refuses a topic that has a manifest, and never overwrites a file.

    Exit codes: 0 done, 1 there is a manifest already or a key is refused, 2 configuration, 3 Kafka is away.

    Example: `aegis keys init --out keys --kek-out keys/kek.key`, then `set -a; . keys/enricher.env; set +a`
    """
    settings = load_settings()
    settings.required("broker")
    custodians = _custodians({Role.RISK_LEAD: risk_lead, Role.SECURITY_LEAD: security_lead})
    chosen_policy = policy_from(policy)
    public, pair = _kek(settings, kek_public, kek_out)
    keys = KeySet(
        folder=out,
        enrichers={name: SessionSigner.generate() for name in _enricher_names(enricher)},
        kek_public=public,
        kek=pair,
        kek_out=kek_out,
    )
    change = ManifestMaker(keys.agent, life_s=settings.manifest_life_s).first(
        deployment=settings.deployment,
        kek_public_key=public,
        policy=chosen_policy,
        enrichers=[SignerEntry(signer.public, KeyState.CURRENT, 1) for signer in keys.enrichers.values()],
        custodians=custodians,
        recovery_key=_recovery_key(recovery_key, custodians),
        now=dt.datetime.now(dt.UTC),
    )
    _publish(settings, keys, change)
    _tell(settings, keys, change)


def _publish(settings: Settings, keys: KeySet, change: Change) -> None:
    # aiokafka takes a quarter of a second to import, which `aegis --help` need not wait for
    from aegis_stream.client.connection import connection_kwargs  # noqa: PLC0415
    from aegis_stream.client.first_manifest import publish_first  # noqa: PLC0415

    def keep() -> None:
        keys.write(settings)
        if keys.kek is not None and keys.kek_out is None:
            typer.echo("aegis: warning: the KEK's private key is shown this once and stored nowhere", err=True)
            typer.echo(f"AEGIS_MASTER_KEK_PUBLIC={b64encode(keys.kek.public)}")
            typer.echo(f"AEGIS_MASTER_KEK_PRIVATE={b64encode(keys.kek.private)}")

    try:
        asyncio.run(publish_first(connection_kwargs(settings), settings.topic_control, change, before=keep))
    except BrokerUnavailableError:
        if keys.written:
            say_hint(
                f"whether the manifest was written is not known: the keys stay in {keys.folder}; `aegis keys list`"
            )
        raise
    except BaseException:
        keys.remove()
        raise


def _tell(settings: Settings, keys: KeySet, change: Change) -> None:
    """Say what was made."""
    manifest = change.manifest
    names = f"{manifest.active.version} under {manifest.current_kek.id}"
    typer.echo(f"published manifest 1 of {manifest.deployment}: {names}")
    for path in keys.written:
        typer.echo(f"wrote {path}")
    stale = sorted(settings.state_dir.glob(f"{manifest.deployment}.*json"))
    if stale:
        say_hint(f"state of an earlier deployment of this name: remove {', '.join(str(path) for path in stale)}")
    if keys.kek is None:
        say_hint(f"add the variables of the KEK's provider to {keys.folder / 'reader.env'}")
    if len(manifest.custodians) < len(Role):
        say_hint("without both custodians' keys no command that needs two signatures can be given")
    say_hint(f"next: set -a; . {shlex.quote(str(keys.folder / 'rotator.env'))}; set +a; aegis run rotator")


@app.command("list")
def list_keys(
    *, json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")] = False
) -> None:
    """Show the DEKs, KEKs and signing keys of the manifest in force: versions, states, ages, expiry.

    Shows an expired manifest as well, and says so.

    Exit codes: 0 shown, 1 the manifest is refused, 2 configuration, 3 Kafka is away, or the topic holds no manifest.

    Example: `aegis keys list --json`
    """
    settings = load_settings()
    shown = report(*asyncio.run(_read(settings)), now=dt.datetime.now(dt.UTC))
    if json:
        typer.echo(orjson.dumps(shown, option=orjson.OPT_INDENT_2))
    else:
        print_table(shown)


async def _read(settings: Settings) -> tuple[Keyring, Manifest]:
    from aegis_stream.client.connection import connection_kwargs  # noqa: PLC0415 - as above
    from aegis_stream.client.follow import ControlFollower  # noqa: PLC0415 - as above

    keyring = Keyring(
        deployment=settings.deployment,
        agent_keys=settings.agent_public_keys,
        grace_s=settings.manifest_grace_s,
        accept_expired=True,
    )
    connection = connection_kwargs(settings)
    async with ControlFollower(keyring, connection=connection, topic=settings.topic_control) as follower:
        return keyring, await follower.wait_manifest(READ_S)


def _kek(settings: Settings, kek_public: Path | None, kek_out: Path | None) -> tuple[bytes, HybridKeypair | None]:
    """Return the KEK's public key, and its pair where a new one is made."""
    given: bytes | None = None
    if kek_public is not None:
        given = b64decode(read_public_file(kek_public, name="--kek-public"))
    elif settings.master_kek_public is not None:
        given = settings.master_kek_public
        say_hint("taking the KEK of AEGIS_MASTER_KEK_PUBLIC; unset it to have a new one made")
    if given is None:
        if settings.environment == "production" and not settings.allow_environment_kek:
            raise ConfigurationError(
                "in production the KEK belongs into KMS or an HSM, and none was given",
                remedy="`aegis kek provision kms` or `hsm`, then --kek-public; or set AEGIS_ALLOW_ENVIRONMENT_KEK=1",
            )
        pair = HybridKEM.generate_keypair()
        return pair.public, pair
    if kek_out is not None:
        raise ConfigurationError(
            "--kek-out is for a KEK that is made here, and one is there already",
            remedy="leave out --kek-out, or --kek-public and AEGIS_MASTER_KEK_PUBLIC",
        )
    return HybridPublicKey.from_bytes(given).raw, None


def _enricher_names(names: list[str] | None) -> tuple[str, ...]:
    chosen = tuple(names or ["enricher"])
    if len(set(chosen)) != len(chosen) or any(not _NAME.fullmatch(name) or name in _ROLE_FILES for name in chosen):
        raise ConfigurationError(
            "--enricher: names are of a-z, 0-9 and -, each once, and none of rotator, reader, operator",
            remedy="for example --enricher east --enricher west",
        )
    return chosen


def _custodians(files: dict[Role, Path | None]) -> list[CustodianEntry]:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    return [
        CustodianEntry(role, custodian_public_key(path, name=f"--{role}"), KeyState.CURRENT, now)
        for role, path in files.items()
        if path is not None
    ]


def _recovery_key(path: Path | None, custodians: list[CustodianEntry]) -> bytes | None:
    """Read the recovery key, which must be a third one: whoever holds it approves what replaces a custodian."""
    if path is None:
        return None
    key = custodian_public_key(path, name="--recovery-key")
    if key in {custodian.public_key for custodian in custodians}:
        raise KeyRefusedError(
            KeyReason.INCONSISTENT,
            "--recovery-key: the key is one of the custodians'",
            remedy="make a third one with `aegis custodian new` and keep it apart",
        )
    return key
