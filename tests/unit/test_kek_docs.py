"""The pages about custody say what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from aegis_stream.errors import KEKReason
from aegis_stream.kek import hsm_errors, hsm_key, kms_errors
from aegis_stream.kek import variables as v

PAGES = Path(__file__).parents[2] / "docs"
CUSTODY = (PAGES / "key-custody.md").read_text()
HSM = (PAGES / "hsm.md").read_text()


def test_every_reason_is_explained_with_whether_a_retry_helps() -> None:
    """An operator looks up the word that the log shows."""
    rows = dict(re.findall(r"^\| `([a-z-]+)` \|.*\| (yes|no) \|$", CUSTODY, re.MULTILINE))
    assert set(rows) == set(KEKReason)
    retryable = {failure.reason for failure in kms_errors._CODES.values() if failure.retryable}
    retryable.add(hsm_errors.lost("x").reason)
    assert {reason for reason, retry in rows.items() if retry == "yes"} == retryable


def test_every_variable_is_listed() -> None:
    """The guide's, and those that we added."""
    listed = set(re.findall(r"^\| `(AEGIS_[A-Z0-9_]+)` \|", CUSTODY, re.MULTILINE))
    own = {value for name, value in vars(v).items() if name.startswith(("KMS_", "HSM_", "MASTER_"))}
    assert listed == {f"AEGIS_{name}" for name in own}
    for name in (v.ENVIRONMENT, v.ALLOW_ENVIRONMENT_KEK, v.CLEAR_ENVIRONMENT):
        assert name in CUSTODY


def test_policies_are_json_and_least() -> None:
    """They are pasted into IAM as they stand."""
    reader, provisioning = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", CUSTODY, re.DOTALL))
    (statement,) = reader["Statement"]
    assert statement["Action"] == "kms:Decrypt"
    assert list(statement["Condition"]["StringEquals"]) == ["kms:EncryptionContext:aegis-kek-id"]
    (statement,) = provisioning["Statement"]
    assert statement["Action"] == ["kms:Encrypt", "kms:Decrypt"]


@pytest.mark.parametrize("text", ["0.1, 0.5 and 2 s", "0x210B", "0x210A", "0x8000216F", "CKF_OS_LOCKING_OK", "**no**"])
def test_hsm_page_tells_the_facts(text: str) -> None:
    """Waits and numbers as they are in the code, and what was not run."""
    assert text in HSM
    assert hsm_key._DELAYS_S == (0.1, 0.5, 2.0)
