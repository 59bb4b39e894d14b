"""Rotating DEKs: the next version, its record, and the manifest that puts it in force.

Pure: what comes out is a `Change`, the records to write in their order.  Whoever drives it publishes that, and nothing
has changed until then.  Making and wrapping a DEK needs public keys of KEKs alone.

    rotator = DEKRotator(signer)
    change = rotator.rotate(keyring.manifest, now=now)      # or only if now >= rotator.due_at(keyring.manifest)
    for key, value in change.writes: …                      # the new DEK record, last the manifest that names it
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aegis_stream.control import dek_effects
from aegis_stream.control.arguments import SetPolicy
from aegis_stream.control.decision import settle
from aegis_stream.control.draft import Draft, Terms
from aegis_stream.encryption.rotation_schedule import RotationSchedule
from aegis_stream.keyring.dsse import Envelope, Kind
from aegis_stream.keyring.maker import LIFE_S, ManifestMaker

if TYPE_CHECKING:
    import datetime as dt

    from aegis_stream.control.decision import Decision
    from aegis_stream.control.result import Result
    from aegis_stream.keyring.maker import Change
    from aegis_stream.keyring.manifest import Manifest
    from aegis_stream.pii import Policy
    from aegis_stream.signature import AgentSigner


class DEKRotator:
    """Makes what follows a manifest, signed by the rotation agent's key; holds no private key of a KEK or DEK."""

    def __init__(
        self,
        signer: AgentSigner,
        *,
        schedule: RotationSchedule | None = None,
        life_s: int = LIFE_S,
        terms: Terms | None = None,
    ) -> None:
        """`schedule`: quarterly without one.  `life_s`: how long a manifest is valid, seconds."""
        self.terms = terms or Terms()
        self.schedule = schedule or RotationSchedule()
        self._signer = signer
        self._maker = ManifestMaker(signer, life_s=life_s)

    def due_at(self, manifest: Manifest) -> dt.datetime | None:
        """Return when the active DEK is to be rotated by the schedule, None for never."""
        return self.schedule.due_at(manifest)

    def rotate(self, manifest: Manifest, *, now: dt.datetime, policy: Policy | None = None) -> Change:
        """Make a new active DEK, wrapped under every KEK in force; the old one becomes decrypt-only.

        policy: what is sensitive from this DEK on, where that is to change.  Raises CommandRefusedError: LIMIT, POLICY,
        UNCHANGED (the policy).
        """
        draft = Draft.of(manifest, {}, now=now, terms=self.terms)
        if policy is None:
            draft.rotate()
        else:
            dek_effects.set_policy(draft, SetPolicy(policy))
        return self._maker.change(manifest, draft.manifest, list(draft.changed.values()), now=now)

    def fresh(self, manifest: Manifest, *, now: dt.datetime, above: int = 0) -> Change:
        """Say the same again, later, under a sequence higher than `above`."""
        return self._maker.fresh(manifest, now=now, above=above)

    def settle(self, manifest: Manifest, *, now: dt.datetime) -> Change | None:
        """Put in force the custodians' keys whose wait is over; None where there is none."""
        wanted = settle(manifest, now=now)
        return None if wanted is None else self._maker.change(manifest, wanted, (), now=now)

    def carry_out(self, decision: Decision, manifest: Manifest, *, now: dt.datetime) -> Change | None:
        """Make what a decision about a command asks for; None where it changes nothing in the manifest.

        Raises ManifestRefusedError(TRANSITION): something would go back.
        """
        if decision.wanted is None:
            return None
        return self._maker.change(manifest, decision.wanted, decision.records, now=now)

    def sign_result(self, result: Result) -> bytes:
        """Return the record of an answer, as it stands on the control topic."""
        return Envelope.sign(Kind.RESULT, result.to_payload(), [self._signer]).to_bytes()
