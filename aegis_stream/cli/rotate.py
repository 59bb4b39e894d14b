"""`aegis rotate`: a new DEK for new events."""

from __future__ import annotations

from aegis_stream.cli._how import How, with_how
from aegis_stream.cli._issue import issue
from aegis_stream.control.arguments import RotateDek


@with_how
def rotate(how: How) -> int:
    """Make a new active DEK; the old one opens what it has encrypted.  One custodian signs.

    Exit codes: 0 executed, 1 refused or expired, 2 configuration, 3 Kafka is away or the agent has not answered.

    Example: `aegis rotate --key risk-lead.key --reason "quarterly rotation"`
    """
    return issue(how, lambda _client: RotateDek())
