"""`aegis topics` as an operator sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from aegis_stream.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.kafka

ROLES = ("RAW", "ENCRYPTED", "DEAD_LETTER", "DEAD_LETTER_STATE", "CONTROL")


@pytest.fixture(autouse=True)
def names(kafka: str, topic_name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Set the variables of a deployment of its own, and return the topics' names."""
    made = {role: topic_name(role.lower()) for role in ROLES}
    monkeypatch.setenv("AEGIS_BROKER", kafka)
    for role, name in made.items():
        monkeypatch.setenv(f"AEGIS_TOPIC_{role}", name)
    return made


def test_missing_topics_are_named_and_then_made(names: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """The first two commands of every operator: the exit code says what a script must know."""
    assert main(["topics", "check"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert all(f"aegis: error: {name}: topic is missing" in said.err for name in names.values())
    assert "aegis: hint: run `aegis topics create`" in said.err
    assert main(["topics", "create", "--partitions", "2"]) == 0
    assert f"created {names['RAW']} (partitions: 2, replicas: 1)" in capsys.readouterr().out
    assert main(["topics", "create"]) == 0
    assert capsys.readouterr().out == "all topics are there already\n"
    assert main(["topics", "check"]) == 0
    assert capsys.readouterr().out == "the topics are as they must be\n"


def test_json_holds_plans_and_findings(names: dict[str, str], capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """Tools read the same facts that people do."""
    assert main(["topics", "create", "--json", "--raw-max-bytes", "2000000"]) == 0
    done = orjson.loads(capsysbinary.readouterr().out)
    assert [plan["name"] for plan in done["created"]] == list(names.values())
    assert done["created"][1]["settings"]["max.message.bytes"] == "4065536"
    assert main(["topics", "check", "--json", "--replication", "2"]) == 1
    findings = orjson.loads(capsysbinary.readouterr().out)["findings"]
    assert {each["topic"] for each in findings} == set(names.values())


def test_production_wants_three_replicas(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With one replica the loss of a disk loses every DEK record; production must not drift into that."""
    monkeypatch.setenv("AEGIS_ENVIRONMENT", "production")
    assert main(["topics", "create"]) == 3
    assert "aegis: hint: start more brokers, or say --replication" in capsys.readouterr().err
    assert main(["topics", "create", "--replication", "1"]) == 0


def test_a_raw_topic_with_fewer_acknowledgements_is_a_warning(
    names: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A warning is told and does not fail a script."""
    assert main(["topics", "create"]) == 0
    assert main(["topics", "check", "--replication", "3"]) == 1
    said = capsys.readouterr().err
    assert f"aegis: warning: {names['RAW']}: min.insync.replicas is 1, wanted: 2 or more" in said
    assert f"aegis: error: {names['CONTROL']}: min.insync.replicas is 1, wanted: 2 or more" in said
