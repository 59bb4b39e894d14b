"""The account of a re-encryption, and the policy under which history is written anew."""

from __future__ import annotations

from collections import Counter

import pytest

from aegis_stream.client.spans import Span
from aegis_stream.errors import BrokerError, ConfigurationError, ReadReason, WriteReason
from aegis_stream.pii import Policy
from topologies.recrypt import Fate, Outcome, strictest
from topologies.reencrypt import exit_code_of
from topologies.reencrypt_account import Account, Mark, Tally, Task
from topologies.reencrypt_job import Job, task_of

TASK = Task(source="aegis.encrypted", below="dek-v3-20260701")
METADATA_BYTES = 4_096
"""What brokers take with a committed offset, unless they are told otherwise."""


def test_mark_comes_back_and_fits_beside_an_offset() -> None:
    """Also with every reason that there is, and the largest counts."""
    reasons = [reason.value for kind in (ReadReason, WriteReason) for reason in kind]
    refused = Counter(dict.fromkeys(reasons, 2**60))
    mark = Mark(Task(source="t" * 249, below="dek-v999999999-20260701"), Tally(2**60, 2**60, 2**60, 2**60, refused))
    text = mark.to_text()
    assert len(text) < METADATA_BYTES
    assert Mark.parse(text) == mark


@pytest.mark.parametrize(
    "text",
    [
        "",
        "aegis-marks/1 a/0/1",
        "aegis-reencrypt/1 ",
        "aegis-reencrypt/1 []",
        'aegis-reencrypt/1 {"source":"a"}',
        Mark(TASK, Tally()).to_text().replace('"read":0', '"read":-1'),
        Mark(TASK, Tally()).to_text().replace('"read":0', '"read":true'),
        Mark(TASK, Tally()).to_text().replace('"refused":{}', '"refused":{"A b":1}'),
    ],
)
def test_what_another_program_committed_is_not_taken_for_an_account(text: str) -> None:
    """A group that somebody else uses would make the job begin in the middle."""
    with pytest.raises(ConfigurationError, match="no re-encryption"):
        Mark.parse(text)


def test_account_adds_up_or_the_process_says_so() -> None:
    """An account that does not is a defect, whatever else went well."""
    right = Tally(0, 5, 1, 3, Counter({"tag": 1}))
    wrong = Tally(0, 5, 1, 3)

    def account(tally: Tally, position: int = 5) -> Account:
        return Account(
            task=TASK,
            target="new",
            refused_topic="new.refused",
            tallies={0: tally, 1: Tally()},
            positions={0: position, 1: 0},
            spans={0: Span(0, 5), 1: Span(0, 0)},
            under=(),
        )

    assert exit_code_of(account(right)) == 1
    assert exit_code_of(account(Tally(0, 5, 2, 3))) == 0
    assert exit_code_of(account(right, 4)) == 75
    assert account(right, 4).left == 1
    assert exit_code_of(account(wrong)) == 70
    assert exit_code_of(None) == 70
    shape = account(right).to_json()
    assert (shape["read"], shape["kept"], shape["reencrypted"], shape["refused"]) == (5, 1, 3, {"tag": 1})


def test_job_goes_on_only_on_the_topic_that_it_has_read() -> None:
    """A topic made anew has other events at the same offsets; what retention took away is told."""
    job = Job("j", TASK)
    with pytest.raises(BrokerError, match="ends at"):
        job.resume(0, 11, Tally(), Span(0, 10))
    job.resume(0, 4, Tally(begin=0, read=4, kept=4), Span(6, 10))
    assert (job.positions[0], job.tallies[0].unread) == (6, 2)


def test_task_is_fixed_at_the_first_start() -> None:
    """Half of a topic under one rule and half under another would be nobody's wish."""
    marks = {0: (5, Mark(TASK, Tally())), 1: (7, Mark(TASK, Tally()))}
    assert task_of(marks, source=TASK.source, below=None, target="new") == TASK
    assert task_of(marks, source=TASK.source, below=TASK.below, target="new") == TASK
    for source, below in ((TASK.source, "dek-v4-20261001"), ("other", None)):
        with pytest.raises(ConfigurationError, match="was begun with"):
            task_of(marks, source=source, below=below, target="new")
    other = Mark(Task(source=TASK.source, below="dek-v2-20260401"), Tally())
    with pytest.raises(ConfigurationError, match="different tasks"):
        task_of({**marks, 2: (0, other)}, source=TASK.source, below=None, target="new")


def test_strictest_leaves_in_the_clear_only_what_both_policies_do() -> None:
    """A name of either is sensitive, an exclusion counts where both make it."""
    old = Policy("old", ("email", "iban"), ("/a/*",), ("actor_id", "/x/ip_address"))
    new = Policy("new", ("iban", "phone"), ("/b",), ("actor_id", "email"))
    assert strictest(old, new) == Policy("new", ("iban", "phone", "email"), ("/b", "/a/*"), ("actor_id",))
    assert strictest(new, new) is new


def test_outcomes_show_nothing_of_their_records() -> None:
    """They stand in tracebacks' neighbourhood."""
    assert "secret" not in repr(Outcome(Fate.KEPT, b"secret", b"secret", [("secret", b"secret")]))
