"""Commands of the control topic: what operators ask, who must sign it, and what it would change.  No Kafka in here.

`Command.new` and `sign_command` make one, `approve` and `reject` answer it; `CommandBook` keeps what was read, `judge`
tells where a command stands, `decide` what the rotation agent does about it, `differences` what that would change.
`custodian_keys` are those of a manifest, to judge override events by.
"""

from aegis_stream.control.approval import ApprovalState, Judgement, judge
from aegis_stream.control.book import CommandBook
from aegis_stream.control.cases import Case
from aegis_stream.control.command import Command
from aegis_stream.control.custodians import custodian_keys
from aegis_stream.control.decision import Decision, decide, settle
from aegis_stream.control.differences import differences
from aegis_stream.control.draft import Terms
from aegis_stream.control.kinds import CommandKind
from aegis_stream.control.result import Outcome, Result
from aegis_stream.control.signing import CustodianSigner, approve, reject, sign_command
from aegis_stream.control.topic_keys import Slot, TopicKey

__all__ = [
    "ApprovalState",
    "Case",
    "Command",
    "CommandBook",
    "CommandKind",
    "CustodianSigner",
    "Decision",
    "Judgement",
    "Outcome",
    "Result",
    "Slot",
    "Terms",
    "TopicKey",
    "approve",
    "custodian_keys",
    "decide",
    "differences",
    "judge",
    "reject",
    "settle",
    "sign_command",
]
