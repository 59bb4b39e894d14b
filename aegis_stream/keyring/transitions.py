"""What may follow a manifest: nothing goes back, and nothing that was said once is unsaid.

- No DEK disappears; its version, day, policy and whether its sessions are signed stay; its state never goes back.
- A new DEK has a higher n than every one before, and the minimum version never goes down.
- The policy of an id stays what it is, so that an old event is still judged as it was written.
- No key of an enricher, a custodian or an agent disappears or goes back from retired or revoked; the DEKs that an
  enricher's key signs for may be narrowed, never widened.

KEKs come and go: what hangs on them stands in the DEK records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, Protocol

from aegis_stream.errors import ManifestReason, ManifestRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aegis_stream.keyring.entries import DekEntry, KeyState, SignerEntry
    from aegis_stream.keyring.manifest import Manifest


class _WithState(Protocol):
    @property
    def state(self) -> KeyState: ...


def check_transition(old: Manifest, new: Manifest) -> None:
    """Compare a manifest with the one it would replace.  Raises ManifestRefusedError(TRANSITION)."""
    _check_deks(old, new)
    known = {policy.id: policy for policy in old.policies}
    if any(known.get(policy.id, policy) != policy for policy in new.policies):
        _refuse("a policy changed under its id")
    _check_keys("an agent", {key.id: key for key in old.agents}, {key.id: key for key in new.agents})
    _check_keys(
        "a custodian",
        {f"{key.role} {key.public_key.hex()}": key for key in old.custodians},
        {f"{key.role} {key.public_key.hex()}": key for key in new.custodians},
    )
    signers = {key.id: key for key in new.enrichers}
    _check_keys("an enricher", {key.id: key for key in old.enrichers}, signers)
    if any(_widened(key, signers[key.id]) for key in old.enrichers):
        _refuse("an enricher's key signs for more DEKs than before")


def _check_deks(old: Manifest, new: Manifest) -> None:
    after = {entry.version: entry for entry in new.deks}
    for entry in old.deks:
        successor = after.pop(entry.version, None)
        if successor is None:
            _refuse("a DEK disappeared")
        if successor.state.rank < entry.state.rank:
            _refuse("the state of a DEK went back")
        if _fixed(successor) != _fixed(entry):
            _refuse("the day, the policy or the signing of a DEK changed")
    if any(version.n <= old.active.version.n for version in after):
        _refuse("a new DEK has no higher n than those before it")
    if new.minimum_version.n < old.minimum_version.n:
        _refuse("the minimum version went down")


def _fixed(entry: DekEntry) -> tuple[object, ...]:
    return entry.created_at, entry.policy, entry.signed


def _check_keys(whose: str, old: Mapping[str, _WithState], new: Mapping[str, _WithState]) -> None:
    for name, key in old.items():
        successor = new.get(name)
        if successor is None:
            _refuse(f"{whose} key disappeared")
        if successor.state.rank < key.state.rank:
            _refuse(f"the state of {whose} key went back")


def _widened(old: SignerEntry, new: SignerEntry) -> bool:
    earlier = new.first_n < old.first_n
    later = old.last_n is not None and (new.last_n is None or new.last_n > old.last_n)
    return earlier or later


def _refuse(what: str) -> NoReturn:
    raise ManifestRefusedError(
        ManifestReason.TRANSITION,
        f"manifest: {what}",
        remedy="after a restore from a backup, restart this process so that it starts from the restored keyring",
    )
