"""Both engines on the same generated and mutated inputs; `make differential` is the long form."""

from __future__ import annotations

from collections import Counter

import pytest

from aegis_stream.encryption.engine import find_native
from tests.support.engine_duel import duel

INPUTS = 4_000
pytestmark = pytest.mark.skipif(
    find_native().module is None, reason="the native core is built where there is a Rust compiler"
)


def test_engines_agree_on_generated_and_mutated_inputs() -> None:
    """Same acceptance, same reasons, and each opens what the other wrote."""
    counts: Counter[str] = Counter()
    done = sum(duel(INPUTS, 0, counts))
    assert done >= INPUTS
    # The comparison would be worth nothing if the native engine handed most events back.
    assert counts["protected natively"] > counts["accepted"] // 2
    assert counts["opened natively"] > counts["accepted"]
    refusals = {name for name in counts if name.startswith("refused: ")}
    assert {f"refused: {reason}" for reason in ("not-json", "too-deep", "number", "duplicate", "has-aegis")} <= refusals
    unreadable = {name.rpartition(" ")[2] for name in counts if name.startswith("changed, unreadable: ")}
    assert {"not-json", "number", "malformed", "plaintext", "tag", "set", "version"} <= unreadable
