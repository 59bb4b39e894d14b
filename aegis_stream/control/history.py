"""Who signed a command, told afterwards: also by keys that are revoked or replaced by now."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aegis_stream.control.cases import NEW_SLOT, candidates
from aegis_stream.control.signing import signers_of
from aegis_stream.control.topic_keys import Slot
from aegis_stream.custodian import custodian_key_id

if TYPE_CHECKING:
    from aegis_stream.control.cases import Case
    from aegis_stream.control.command import Command
    from aegis_stream.keyring.manifest import Manifest


class Signed(NamedTuple):
    """A right signature: in which part, and the id of the key (16 hex digits)."""

    slot: str
    key_id: str


def who_signed(case: Case, command: Command | None, manifest: Manifest) -> tuple[Signed, ...]:
    """Return the right signatures over a command's payload by any key that the manifest or the command names.

    Whether they count is judged elsewhere (`approval.judge`); this is for the record.
    """
    names = {entry.public_key: entry.role.value for entry in manifest.custodians}
    others = {*NEW_SLOT.values(), Slot.RECOVERY}
    names |= {key: slot.value for slot, key in candidates(command, manifest).items() if slot in others}
    envelopes = [case.command, *(each for each in case.approvals.values() if each.payload == case.command.payload)]
    found = {key for envelope in envelopes for key in signers_of(envelope, names)}
    return tuple(sorted(Signed(names[key], custodian_key_id(key)) for key in found))
