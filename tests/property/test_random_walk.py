"""Long differential walks: the library's engines and the second decoder on as many odd documents as time allows.

The quick run takes fixed seeds.  `make fuzz` walks for AEGIS_FUZZ_SECONDS (300) with others; where two verdicts
differ, the document itself is shown.
"""

from __future__ import annotations

import copy
import json
import os
import time
from typing import TYPE_CHECKING, Any

from aegis_stream.encryption import Opened, PIIEncryptor, Protected
from tests.property.test_differential import DOCUMENT, KEYRINGS, faults
from tests.support import vectors
from tests.support.dice import PLAINTEXTS, Dice
from tests.support.readers import by_library, by_second
from tests.support.second_decoder import json_text, writer
from tests.support.second_decoder.reader import RefusedError
from tests.support.vector_keys import ENGINES, decryptor
from tests.vectors.generator import material

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from tests.support.second_decoder.writer import Draft

BARE = material.BARE
LIBRARY = {keyring: decryptor(keyring) for keyring in KEYRINGS}
WRITERS = [PIIEncryptor(public_key=vectors.public(BARE), dek_version=BARE, engine=engine) for engine in ENGINES]
SIGNERS = (None, "enricher-1", "enricher-1", "enricher-2", "enricher-3")
QUICK_STEPS = 400
LONG_STEPS_S = float(os.environ.get("AEGIS_FUZZ_SECONDS", "300"))  # read before a fixture takes AEGIS_… away


def steps(config: pytest.Config) -> Iterator[Dice]:
    """Give a freshly seeded Dice a step: a fixed number of them, or as many as the long run's time allows."""
    if config.getoption("--hypothesis-profile") != "fuzz":
        yield from (Dice(seed) for seed in range(QUICK_STEPS))
        return
    end = time.monotonic() + LONG_STEPS_S
    while time.monotonic() < end:
        yield Dice(int.from_bytes(os.urandom(6), "big"))


def spoilt_draft(dice: Dice) -> Callable[[Draft], Draft] | None:
    """Sometimes put a chosen plaintext or commitment under right tags, as a holder of the session's key may."""
    if dice.random() < 0.8:
        return None
    kind, plaintext = ord(dice.choice("sj")), dice.choice(PLAINTEXTS)
    commitment = dice.choice((None, None, None, b"\1" * 32))
    chosen = dice.randint(0, 2)
    seen: list[int] = []

    def edit(draft: Draft) -> Draft:
        seen.append(1)
        if len(seen) - 1 != chosen:
            return draft
        return draft._replace(kind=kind, plaintext=plaintext, commitment=commitment)

    return edit


def encrypted(dice: Dice, version: str) -> dict[str, Any]:
    """Write an event by the second writer."""
    return writer.write(
        dice.event(),
        material.session(version, dice.choice(("session", "another")), dice.choice(SIGNERS)),
        material.draw(f"walk {dice.randint(0, 20)}", dice.choice((material.AT, material.AT, material.AT, ""))),
        policy=material.policy("wide" if version == material.OLD else "default"),
        source=dice.choice((None, "aegis.raw/0/1")),
        edit=spoilt_draft(dice),
    )


def test_readers_agree_along_a_walk(pytestconfig: pytest.Config) -> None:
    """Spoiled events, with members of other events of the same session put among them."""
    former: dict[str, Any] = {}
    for dice in steps(pytestconfig):
        keyring = dice.choice(sorted(KEYRINGS))
        event = encrypted(dice, dice.choice(KEYRINGS[keyring]))
        whole = copy.deepcopy(event)
        if former and dice.random() < 0.2:
            name = dice.choice(sorted(former))
            event[name] = copy.deepcopy(former[name])
        former = whole
        for _ in range(dice.choice((0, 1, 1, 1, 2, 3))):
            dice.change(event)
        raw = json.dumps(event, ensure_ascii=dice.random() < 0.5).encode()
        library, second = by_library(LIBRARY[keyring], raw), by_second(vectors.keys(keyring), raw)
        told = (library, second, raw[:4000])
        assert library.reason in faults(raw) if second.reason in DOCUMENT else library == second, told


def second_says(raw: bytes) -> tuple[set[str], str]:
    """List the reasons that a writer may give for a raw event, and the path; none where it must take it."""
    try:
        writer.accept(raw)
    except RefusedError as refused:
        told, path = (faults(raw) if refused.reason in DOCUMENT else {refused.reason}), refused.path
    else:
        told, path = set(), ""
    if "not-json" not in told and json_text.has_duplicate(raw):
        # A number in a copy that was dropped may be judged as well.
        told, path = told - {"has-aegis"} | {"duplicate", "number"}, ""
    return told, path


def test_writers_agree_along_a_walk(pytestconfig: pytest.Config) -> None:
    """Texts that are nearly JSON: all engines give one verdict, and what they take comes back as it was."""
    for dice in steps(pytestconfig):
        text = dice.text() if dice.random() < 0.95 else f'{{"a":{dice.nest(dice.choice((62, 63, 64, 65, 66, 70)))}}}'
        raw = dice.spoil_bytes(text.encode())
        told, path = second_says(raw)
        for encryptor in WRITERS:
            (result,) = encryptor.protect_batch([raw])
            if not isinstance(result, Protected):
                assert result.reason in told, (result, told, raw)
                assert result.path == path, (result, path, raw)
                continue
            assert not told, (told, raw)
            (opened,) = LIBRARY["bare"].open_batch([result.value])
            assert isinstance(opened, Opened), raw
            assert (
                repr(opened.event) == repr(json_text.parse(raw)) == by_second(vectors.keys("bare"), result.value).event
            ), raw


def test_any_text_is_judged_alike_by_the_readers_along_a_walk(pytestconfig: pytest.Config) -> None:
    """The same texts at the reader's door: step 1 and step 2 on what no writer made."""
    for dice in steps(pytestconfig):
        raw = dice.spoil_bytes(dice.text().encode())
        library, second = by_library(LIBRARY["bare"], raw), by_second(vectors.keys("bare"), raw)
        if second.reason in DOCUMENT:
            assert library.reason in faults(raw), (library, second, raw)
        elif library != second:
            assert library.reason == "number", (library, second, raw)
            assert json_text.has_duplicate(raw), (library, second, raw)
