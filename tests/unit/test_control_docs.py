"""docs/control-topic.md against the code, the frozen records and the settings."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

from aegis_stream import signature
from aegis_stream.errors import ManifestReason
from aegis_stream.keyring import dsse, keyring, shelf
from aegis_stream.keyring.dek_record import DekRecord
from aegis_stream.keyring.entries import DekState
from aegis_stream.keyring.manifest import Manifest
from aegis_stream.settings import reference
from aegis_stream.wrapping import WRAPPED_BYTES
from topologies import rotate_deks

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "control-topic.md").read_text(encoding="utf-8")
VECTORS: dict[str, Any] = json.loads((ROOT / "tests" / "vectors" / "control_topic.json").read_text(encoding="utf-8"))
RECORD, MANIFEST = next(case for case in VECTORS["cases"] if case["name"] == "rotation")["offers"]


def shortened(value: object) -> object:
    """Cut long texts as the page does."""
    if isinstance(value, dict):
        return {name: shortened(member) for name, member in value.items()}
    if isinstance(value, list):
        return [shortened(member) for member in value]
    return value[:16] + "…" if isinstance(value, str) and len(value) > 64 else value


def test_examples_are_the_frozen_records() -> None:
    """An example that nobody runs is wrong after a year."""
    envelope = json.loads(MANIFEST["value"])
    payload = base64.b64decode(envelope["payload"])
    examples = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
    assert examples == [shortened(envelope), shortened(json.loads(payload)), shortened(json.loads(RECORD["value"]))]
    assert Manifest.from_payload(payload).active.version == DekRecord.from_bytes(RECORD["value"].encode()).version


def test_every_member_of_a_manifest_is_explained() -> None:
    """A member that the page leaves out is one that another reader gets wrong."""
    section = PAGE[PAGE.index("## The manifest") : PAGE.index("## DEK records")]
    rows = re.findall(r"^\| (`[^|]*`) \|", section, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}
    shape = json.loads(base64.b64decode(json.loads(MANIFEST["value"])["payload"]))
    assert named == {*shape, "recovery_key"}


def test_reasons_stand_in_their_order() -> None:
    """The table is the closed list but for what concerns records and makers, in the order of judgement."""
    section = PAGE[PAGE.index("**Manifests.**") : PAGE.index("**Age.**")]
    reasons = re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE)
    assert set(reasons) == {reason.value for reason in ManifestReason} - {ManifestReason.HASH}
    rules = re.findall(r"^\d\. .*?\s([A-Z_]+)$", keyring.__doc__ or "", re.MULTILINE)
    assert [ManifestReason[name].value for name in rules] == reasons


def test_sizes_are_those_of_the_code() -> None:
    """Whoever allocates buffers reads them here."""
    for size in (signature.PRIVATE_KEY_BYTES, signature.PUBLIC_KEY_BYTES, signature.SIGNATURE_BYTES):
        assert f"| {size:,} |" in PAGE
    assert f"{WRAPPED_BYTES:,} bytes" in PAGE
    assert dsse.MAX_ENVELOPE_BYTES == 1 << 20
    assert "more than 1 MiB" in PAGE
    assert f"more than {dsse.MAX_SIGNATURES}," in PAGE
    assert f"last {shelf.KEPT_VALUES} values" in PAGE
    assert f"{shelf.BUDGET_BYTES >> 20} MiB" in PAGE
    assert keyring.CLOCK_SKEW_S == 5 * 60
    assert keyring.GRACE_S == 24 * 3600
    assert f"code {rotate_deks.EXIT_FENCED}" in PAGE


def test_kinds_states_and_variables_are_those_of_the_code() -> None:
    """Names on the page exist."""
    for kind in dsse.Kind:
        assert f"`{kind}`" in PAGE
    states = [PAGE.index(f"`{state}`", PAGE.index("### DEK states")) for state in DekState]
    assert states == sorted(states)
    known = {variable.name for variable in reference.variables()}
    assert set(re.findall(r"AEGIS_[A-Z_]+", PAGE)) <= known
