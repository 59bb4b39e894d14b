"""Loads the frozen vectors; see tests/vectors/README.md for their form."""

from __future__ import annotations

import base64
import functools
import json
from pathlib import Path
from typing import Any

from tests.support.second_decoder.policy import Policy
from tests.support.second_decoder.reader import Keys, ReadingKey

FOLDER = Path(__file__).parent.parent / "vectors"


@functools.cache
def load(name: str) -> Any:  # noqa: ANN401 -- each file has its own shape
    """Read one file of tests/vectors."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def restore(kept: Any) -> bytes:  # noqa: ANN401 -- text, an object or parts
    """Bring back a document from text, `{"base64"}` or parts."""
    if isinstance(kept, str):
        return kept.encode()
    if isinstance(kept, dict):
        return base64.b64decode(kept["base64"]) if "base64" in kept else kept["repeat"].encode() * kept["times"]
    return b"".join(restore(part) for part in kept)


def cases(name: str, member: str | None = None) -> dict[str, Any]:
    """Give a file's cases by name, for parametrised tests."""
    content = load(name)
    return {case["name"]: case for case in (content if member is None else content[member])}


@functools.cache
def private(pair: str) -> bytes:
    """Give the private key of a named pair."""
    return base64.b64decode(load("keyrings")["pairs"][pair]["private"])


@functools.cache
def public(pair: str) -> bytes:
    """Give the public key of a named pair."""
    return base64.b64decode(load("keyrings")["pairs"][pair]["public"])


@functools.cache
def keys(keyring: str) -> Keys:
    """Give a named keyring as the second decoder takes it."""
    known = load("keyrings")
    ring = known["keyrings"][keyring]

    def dek(version: str) -> ReadingKey | str:
        entry = ring["deks"].get(version, {"reason": "dek-unknown"})
        if "reason" in entry:
            return str(entry["reason"])
        policy = Policy.make(known["policies"][entry["policy"]])
        return ReadingKey(private(version), public(version), policy, entry["signed"])

    def signer(key_id: str, version: str) -> bytes | str:
        del version
        entry = ring["signers"].get(key_id, {"reason": "signer-unknown"})
        return str(entry["reason"]) if "reason" in entry else bytes.fromhex(entry["public"])

    return Keys(dek, signer)
