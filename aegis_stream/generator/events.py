"""A seeded generator of realistic governance events: workflows that go from proposal to release.

One seed gives the same events for ever, so tests and benchmarks can name what they read.  Signatures have the form
of real ones (64 bytes) and verify under no key.
"""

from __future__ import annotations

import base64
import hashlib
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Any

from aegis_stream.generator import people

if TYPE_CHECKING:
    from collections.abc import Iterator

Event = dict[str, Any]

_START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
_OPEN_WORKFLOWS = 12


class EventKind(StrEnum):
    """The six kinds, as they stand in `event_type`."""

    PROPOSAL = "proposal"
    GATE_EVALUATION = "gate_evaluation"
    OVERRIDE_REQUESTED = "override_requested"
    OVERRIDE_SIGNED = "override_signed"
    OVERRIDE_DECIDED = "override_decided"
    WORKFLOW_TRANSITION = "workflow_transition"


def generate_events(*, seed: int = 0, count: int | None = None, all_fields: bool = False) -> Iterator[Event]:
    """Yield `count` events, endlessly where it is None; the same for one seed, always.

    By default the six kinds follow each other as in life and each event has the few sensitive fields of its kind
    (one to six of the twelve).  With `all_fields` every event has all twelve and about 1 KB, as benchmarks want.
    """
    events = _Town(random.Random(seed)).events(all_fields=all_fields)  # noqa: S311 - reproducible, and no secret
    return islice(events, count)


@dataclass(slots=True)
class _Workflow:
    """One proposal on its way; `plan` holds the kinds that are still to come."""

    workflow_id: str
    proposal_id: str
    author: str
    system: str
    plan: list[EventKind] = field(default_factory=list)
    override: Event = field(default_factory=dict)
    state: int = 0


class _Town:
    """The state of the simulation: a clock, open workflows and numbers that never repeat."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._now = _START
        self._number = 0

    def events(self, *, all_fields: bool) -> Iterator[Event]:
        workflows = [self._workflow() for _ in range(_OPEN_WORKFLOWS)]
        makers = {
            EventKind.PROPOSAL: self._proposal,
            EventKind.GATE_EVALUATION: self._gate,
            EventKind.OVERRIDE_REQUESTED: self._requested,
            EventKind.OVERRIDE_SIGNED: self._signed,
            EventKind.OVERRIDE_DECIDED: self._decided,
            EventKind.WORKFLOW_TRANSITION: self._transition,
        }
        while True:
            place = self._rng.randrange(len(workflows))
            workflow = workflows[place]
            kind = workflow.plan.pop(0)
            self._now += timedelta(milliseconds=self._rng.randint(40, 9_000))
            event = {
                "event_id": f"evt-{self._hex(16)}",
                "event_type": kind.value,
                "occurred_at": _text(self._now, fraction=True),
                **makers[kind](workflow),
            }
            yield {**event, **self._everything(workflow)} if all_fields else event
            if not workflow.plan:
                workflows[place] = self._workflow()

    def _workflow(self) -> _Workflow:
        self._number += 1
        plan = [EventKind.PROPOSAL, *[EventKind.GATE_EVALUATION] * self._rng.randint(1, 4)]
        if self._rng.random() < 0.5:  # noqa: PLR2004 - half of the proposals fail a gate
            signed = [EventKind.OVERRIDE_SIGNED] * 2
            plan += [EventKind.OVERRIDE_REQUESTED, *signed, EventKind.OVERRIDE_DECIDED]
        plan += [EventKind.WORKFLOW_TRANSITION] * self._rng.randint(1, 3)
        return _Workflow(
            workflow_id=f"wf-2026-{self._number:05d}-{self._hex(4)}",
            proposal_id=f"prop-{self._hex(8)}",
            author=self._person(),
            system=self._rng.choice(people.SYSTEMS),
            plan=plan,
        )

    def _proposal(self, workflow: _Workflow) -> Event:
        return {
            "proposal_id": workflow.proposal_id,
            "workflow_id": workflow.workflow_id,
            "author_id": workflow.author,
            "title": self._rng.choice(people.CHANGES).format(system=workflow.system),
            "risk_tier": self._rng.randint(1, 4),
            "expected_value": round(self._rng.uniform(-20_000, 250_000), 2),
        }

    def _gate(self, workflow: _Workflow) -> Event:
        score = round(self._rng.random(), 4)
        event: Event = {
            "proposal_id": workflow.proposal_id,
            "workflow_id": workflow.workflow_id,
            "gate": self._rng.choice(people.GATES),
            "score": score,
            "threshold": 0.6,
            "outcome": "pass" if score >= 0.6 else "fail",  # noqa: PLR2004 - the threshold above
        }
        if self._rng.random() < 0.3:  # noqa: PLR2004 - some gates are judged by a person
            event["actor_id"] = self._person()
        return event

    def _requested(self, workflow: _Workflow) -> Event:
        workflow.override = {
            "override_id": f"ovr-{self._hex(8)}",
            "workflow_id": workflow.workflow_id,
            "requested_by": self._person(),
            "requested_at": _text(self._now),
            "expires_at": _text(self._now + timedelta(hours=24)),
            "override_justification": self._rng.choice(people.JUSTIFICATIONS),
        }
        return dict(workflow.override)

    def _signed(self, workflow: _Workflow) -> Event:
        role = "security_lead" if "risk_lead_signature" in workflow.override else "risk_lead"
        workflow.override[f"{role}_signature"] = self._signature()
        return {
            "override_id": workflow.override["override_id"],
            "workflow_id": workflow.workflow_id,
            "role": role,
            "signer_id": self._person(),
            f"{role}_signature": workflow.override[f"{role}_signature"],
        }

    def _decided(self, workflow: _Workflow) -> Event:
        risk, security = workflow.override["risk_lead_signature"], workflow.override["security_lead_signature"]
        return {
            "override_id": workflow.override["override_id"],
            "workflow_id": workflow.workflow_id,
            "decision": self._rng.choice(("approved", "approved", "declined")),
            "decision_actor": self._person(),
            "decision_rationale": self._rng.choice(people.RATIONALES),
            "risk_lead_signature": risk,
            "security_lead_signature": security,
            "combined_hash": _combined(risk, security),
        }

    def _transition(self, workflow: _Workflow) -> Event:
        before = workflow.state
        workflow.state = min(before + 1, len(people.STATES) - 1)
        return {
            "workflow_id": workflow.workflow_id,
            "from_state": people.STATES[before],
            "to_state": people.STATES[workflow.state],
            "actor_id": self._person(),
            "actor_assignments": self._assignments(),
        }

    def _everything(self, workflow: _Workflow) -> Event:
        """All twelve sensitive fields; those that the kind has already keep the same form."""
        risk, security = self._signature(), self._signature()
        return {
            "workflow_id": workflow.workflow_id,
            "author_id": workflow.author,
            "actor_id": self._person(),
            "requested_by": self._person(),
            "signer_id": self._person(),
            "decision_actor": self._person(),
            "actor_assignments": self._assignments(),
            "override_justification": self._rng.choice(people.JUSTIFICATIONS),
            "decision_rationale": self._rng.choice(people.RATIONALES),
            "risk_lead_signature": risk,
            "security_lead_signature": security,
            "combined_hash": _combined(risk, security),
        }

    def _person(self) -> str:
        first, last = self._rng.choice(people.FIRST_NAMES), self._rng.choice(people.LAST_NAMES)
        return f"{first}.{last}@{self._rng.choice(people.DEPARTMENTS)}.example"

    def _assignments(self) -> dict[str, str]:
        return {role: self._person() for role in ("proposer", "reviewer", "risk_lead")}

    def _signature(self) -> str:
        return base64.b64encode(self._rng.randbytes(64)).decode()

    def _hex(self, digits: int) -> str:
        return f"{self._rng.getrandbits(4 * digits):0{digits}x}"


def _combined(risk: str, security: str) -> str:
    """Return the hex SHA-256 of both signatures, as an override's decision carries it."""
    return hashlib.sha256(base64.b64decode(risk) + base64.b64decode(security)).hexdigest()


def _text(moment: datetime, *, fraction: bool = False) -> str:
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{moment.microsecond // 1000:03d}Z" if fraction else f"{text}Z"
