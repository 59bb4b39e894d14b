"""The KEK: what is configured, whether it opens what it wraps, whether its keeper answers now."""

from __future__ import annotations

from concurrent.futures import wait
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from aegis_stream.cli._checks.check import Check, Role, Status, failed, guarded, skipped
from aegis_stream.errors import AegisError, KEKReason
from aegis_stream.hybrid import HybridKEM, HybridPrivateKey
from aegis_stream.kek import KEKProvider, check_kek, choice, get_kek_provider
from aegis_stream.kek.daemon import in_daemon, silent_for
from aegis_stream.kek.probe import probe_keeper
from aegis_stream.kek.variables import NEXT_PREFIX, PREFIX, Variables
from aegis_stream.wrapping import unwrap_dek, wrap_dek

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Result = TypeVar("_Result")
_AREA = "kek"
_PATIENCE_S = 60.0  # KMS has given up long before; a call into an HSM's library may never return
_PROBE_VERSION = "dek-v1-20260101"


class Custody(NamedTuple):
    """The rows, and the providers that work: later checks hold the manifest against them."""

    checks: list[Check]
    keks: list[KEKProvider]


def look_at_custody(role: Role | None) -> Custody:
    """Look at the KEK and, where one is configured, at the next one."""
    custody = Custody([], [])
    if role in {Role.ENRICHER, Role.ROTATOR}:
        custody.checks.extend(_without(role))
        return custody
    for prefix in (PREFIX, NEXT_PREFIX):
        custody.checks.extend(_look(Variables(prefix=prefix), role, custody.keks))
    return custody


def _without(role: Role) -> Iterator[Check]:
    """Warn of a KEK where none is needed: such a process is safer without."""
    held = choice.configured(Variables())
    if held:
        found = f"the {held[0]} KEK is configured, and the {role} needs none"
        yield Check(_AREA, "provider", Status.WARNING, found, f"take the KEK's variables from the {role}")
    else:
        yield Check(_AREA, "provider", Status.OK, f"the {role} needs none")


def _look(variables: Variables, role: Role | None, keks: list[KEKProvider]) -> Iterator[Check]:
    what = "provider" if variables.prefix == PREFIX else "next provider"
    if variables.prefix == PREFIX and not choice.configured(variables):
        yield _none(role, what)
        return
    if not choice.mentioned(variables):
        return
    try:
        chosen = choice.choose(variables)
        provider = _in_time(lambda: _load(variables.prefix))
    except AegisError as error:
        yield failed(_AREA, what, error)
        return
    keks.append(provider)
    yield Check(_AREA, what, Status.OK, f"{chosen.name} ({chosen.because}), {provider.kek_id}")
    if chosen.unused:
        yield Check(
            _AREA,
            what,
            Status.WARNING,
            f"not used: {', '.join(chosen.unused)}",
            "unset the variables that are left over",
        )
    if chosen.name == choice.ENVIRONMENT:
        yield Check(
            _AREA, what, Status.WARNING, "the private key is in the environment", "use KMS or an HSM where there is one"
        )
    yield from guarded(_AREA, f"{what}: a DEK", lambda: _dek(provider, what))
    yield from _keeper(variables, chosen.name, what)


def _load(prefix: str) -> KEKProvider:
    provider = get_kek_provider(prefix=prefix, allow_in_memory=False)
    check_kek(provider)
    return provider


def _in_time(call: Callable[[], _Result]) -> _Result:
    """Return what a call to the keeper returns.  Raises as it does, and KEKUnavailableError: it does not return."""
    outcome = in_daemon(call)
    if not wait([outcome], timeout=_PATIENCE_S).done:
        raise silent_for(_PATIENCE_S)
    return outcome.result()


def _none(role: Role | None, what: str) -> Check:
    status = Status.FAILED if role is Role.READER else Status.WARNING
    return Check(
        _AREA,
        what,
        status,
        "no KEK is configured: enrichers and the rotator need none, readers do",
        "`aegis kek provision kms`, `hsm` or `environment` makes one and prints its variables",
    )


def _dek(provider: KEKProvider, what: str) -> Iterator[Check]:
    """Wrap a DEK as the rotator does and unwrap it as a reader does."""
    dek = HybridPrivateKey.from_bytes(HybridKEM.generate_keypair().private)
    wrapped = wrap_dek(dek, dek_version=_PROBE_VERSION, kek_public_key=provider.get_public_key())
    unwrap_dek(wrapped, dek_version=_PROBE_VERSION, dek_public_key=dek.public, kek=provider)
    yield Check(_AREA, f"{what}: a DEK", Status.OK, "wrapped and unwrapped")


def _keeper(variables: Variables, name: str, what: str) -> Iterator[Check]:
    row = f"{what}: keeper"
    try:
        by = _in_time(lambda: probe_keeper(variables, name))
    except AegisError as error:
        if error.reason == KEKReason.DENIED:  # the provider was loaded, so kms:Decrypt is there
            yield Check(_AREA, row, Status.WARNING, "may decrypt, not encrypt", "enough for a reader; not to provision")
        else:
            yield failed(_AREA, row, error)
        return
    yield (
        skipped(_AREA, row, f"{name} has none")
        if by is None
        else Check(_AREA, row, Status.OK, f"{by} wraps and unwraps now")
    )
