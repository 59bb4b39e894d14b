"""docs/wire-format.md against the code, the closed lists and the vectors: a page that is wrong fails here."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from aegis_stream.encryption.fields import VALUE_DEPTH
from aegis_stream.encryption.reader import MAX_DEPTH as READER_DEPTH
from aegis_stream.encryption.writer import MAX_DEPTH as WRITER_DEPTH
from aegis_stream.errors import ReadReason, WriteReason
from aegis_stream.hybrid import ENCAPSULATION_BYTES, PRIVATE_KEY_BYTES, PUBLIC_KEY_BYTES, SHARED_SECRET_BYTES
from aegis_stream.pii import PII_FIELDS
from aegis_stream.session import MAX_AGE_S, MAX_FIELDS, MAX_PLAINTEXT_BYTES
from aegis_stream.session_signer import SEED_BYTES, SIGNATURE_BYTES
from aegis_stream.wire import ALG, LP_MAX
from aegis_stream.wrapping import WRAPPED_BYTES
from tests.support import vectors
from tests.support.second_decoder import records, xwing
from tests.support.second_decoder.reader import MEMBERS

PAGE = (Path(__file__).parents[2] / "docs" / "wire-format.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
WHERE = records.Where("t", 0, 0, "number")
SEALED = records.seal_bytes(
    b"", "dek-v1-20260101", WHERE, xwing.expand(bytes(32)).public, eseed=b"1" * 64, nonce=b"2" * 12
)


def rows(section: str) -> list[list[str]]:
    """Read the cells of a section's tables, without heads and rules."""
    found = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in SECTIONS[section].splitlines()
        if line[:1] == "|"
    ]
    return [cells for i, cells in enumerate(found) if not cells[0].startswith("--") and not is_head(found, i)]


def is_head(found: list[list[str]], index: int) -> bool:
    """Tell whether the next row is the rule below a table's head."""
    return index + 1 < len(found) and found[index + 1][0].startswith("--")


SIZES = {
    "HybridKEM public key": PUBLIC_KEY_BYTES,
    "HybridKEM private key": PRIVATE_KEY_BYTES,
    "HybridKEM encapsulation": ENCAPSULATION_BYTES,
    "shared secret": SHARED_SECRET_BYTES,
    "session keys, together": sum(
        len(vectors.load("schedule")[key]) // 2 for key in ("field_key", "commitment_key", "set_key")
    ),
    "nonce": len(vectors.load("schedule")["fields"][0]["nonce"]) // 2,
    "tag of AES-256-GCM": 16,
    "blob of a field, without its plaintext": 2 + 12 + 16,
    "commitment, set tag": len(vectors.load("schedule")["fields"][0]["commitment"]) // 2,
    "event id (`_aegis.id`)": 16,
    "Ed25519 public key of an enricher": SEED_BYTES,
    "Ed25519 signature of a session": SIGNATURE_BYTES,
    "wrapped DEK private key": WRAPPED_BYTES,
    "sealed record, without its plaintext": len(SEALED),
}


def test_sizes_are_those_of_the_code() -> None:
    """An implementer allocates by this table."""
    assert {what: int(size.replace(",", "")) for what, size in rows("Sizes")} == SIZES


def test_every_heading_that_code_points_to_is_there() -> None:
    """Docstrings name sections of this page."""
    sources = "".join(path.read_text() for path in (Path(__file__).parents[2] / "aegis_stream").rglob("*.py"))
    named = set(re.findall(r'docs/wire-format\.md,\s+"([^"]+)"', sources))
    assert named
    assert named <= set(SECTIONS)


def test_reasons_of_readers_are_the_closed_list() -> None:
    """Each reason under its step, as the vectors file it, and none but these."""
    told: list[tuple[int, str]] = []
    step = 0
    for number, _, reasons in rows("What a reader must refuse"):
        step = int(number) if number else step
        told += [(step, reason) for reason in re.findall(r"`([a-z-]+)`", reasons)]
    assert set(told) == {(case["step"], case["reason"]) for case in vectors.load("bad_events")}
    assert {reason for _, reason in told} | {"source-rewound"} == set(ReadReason)


def test_reasons_of_writers_are_the_closed_list() -> None:
    """Dead letters carry them."""
    assert {cells[1].strip("`") for cells in rows("What a writer must refuse")} == set(WriteReason)


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ("Notation", f"{LP_MAX:,} bytes"),
        ("Keys", f"`{ALG}`"),
        ("Keys", "dek-v[1-9][0-9]{0,8}-[0-9]{8}"),
        ("The session", f"{MAX_AGE_S:,.0f} s"),
        ("The session", f"2^{MAX_FIELDS.bit_length() - 1} fields"),
        ("The session", f"{MAX_PLAINTEXT_BYTES // 2**30} GiB"),
        ("What a reader must refuse", f"{READER_DEPTH} levels"),
        ("What a reader must refuse", f"{VALUE_DEPTH} levels of its own"),
        ("What a writer must refuse", f"{WRITER_DEPTH} levels"),
    ],
)
def test_limits_are_those_of_the_code(section: str, text: str) -> None:
    """Limits stand in prose; the code's must be found there."""
    assert text in SECTIONS[section]


def test_labels_are_those_of_the_second_decoder() -> None:
    """Each label separates one use of a key from all others."""
    folder = Path(records.__file__).parent
    used = set(re.findall(r'"(aegis-stream/v1[a-z/-]*)"', "".join(path.read_text() for path in folder.glob("*.py"))))
    assert set(re.findall(r'"(aegis-stream/v1[a-z/-]*)"', PAGE)) == used
    assert len(used) == 8


def test_members_are_those_of_the_second_decoder() -> None:
    """The two tables of an encrypted event name all members and no other."""
    named = [cells[0].strip("`") for cells in rows("An encrypted event")]
    assert named == ["v", "dek", "id", "kem", "set", "src", "by", "sig", *MEMBERS]


def test_the_twelve_names_are_there() -> None:
    """A reader in another language has to know them."""
    told = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", SECTIONS["What is sensitive"]))
    assert told == set(PII_FIELDS)


def fits(shown: Any, full: Any) -> bool:  # noqa: ANN401 -- any JSON value
    """Tell whether an abbreviated value is the start and end of the full one."""
    if isinstance(shown, dict):
        return list(shown) == list(full) and all(fits(value, full[name]) for name, value in shown.items())
    if isinstance(shown, list):
        return len(shown) == len(full) and all(map(fits, shown, full))
    if isinstance(shown, str) and "…" in shown:
        start, end = shown.split("…")
        return bool(full.startswith(start) and full.endswith(end))
    return type(shown) is type(full) and shown == full


def test_the_example_is_the_vector() -> None:
    """The example is read more often than the rules."""
    example, case = SECTIONS["Example"], vectors.load("schedule")
    shown = re.search(r"```json\n(.*?)```", example, re.DOTALL)
    assert shown is not None
    assert fits(json.loads(shown.group(1)), json.loads(case["encrypted"]))
    assert f"    raw     {case['raw']}\n" in example
    told = {cells[0]: cells[1].replace("`", "").replace("<br>", "") for cells in rows("Example")}
    expected = {
        name.replace("_", " "): case[name]
        for name in ("shared_secret", "field_key", "commitment_key", "set_key", "binding")
    }
    for field in case["fields"]:
        expected |= {
            f"{field['path']} {part}": field[part] for part in ("kinds", "plaintext", "nonce", "aad", "commitment")
        }
    assert told == expected
