"""The rights that `aegis topics acls` prints; that they are enough and the least is proven on a broker."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import orjson

from aegis_stream.cli import main
from aegis_stream.client.topics.acls import AclOperation, AclResource, AclRole, commands, plan_acls
from aegis_stream.settings import load_settings

if TYPE_CHECKING:
    import pytest


def test_every_role_has_rights_and_none_has_more_than_its_part() -> None:
    """Nobody but the rotator may fence the rotator, and nobody but producers and replayers writes raw events."""
    acls = plan_acls(load_settings())
    assert {acl.role for acl in acls} == set(AclRole)
    agents = {acl.role for acl in acls if acl.resource is AclResource.TRANSACTIONAL_ID and "agent" in acl.name}
    assert agents == {AclRole.ROTATOR}
    writers = {acl.role for acl in acls if acl.name == "aegis.raw" and AclOperation.WRITE in acl.operations}
    assert writers == {AclRole.PRODUCER, AclRole.REPLAYER}
    raw_readers = {acl.role for acl in acls if acl.name == "aegis.raw" and AclOperation.READ in acl.operations}
    assert raw_readers == {AclRole.ENRICHER, AclRole.REPLAYER}
    control = {acl.role for acl in acls if acl.name == "aegis.control" and AclOperation.WRITE in acl.operations}
    assert control == {AclRole.ROTATOR, AclRole.OPERATOR}


def test_names_are_those_of_the_settings() -> None:
    """A deployment with topics, groups and a name of its own needs its own rights."""
    settings = load_settings(
        deployment="eu", topic_encrypted="eu.sealed", application_id="eu-app", reader_group="eu-read"
    )
    names = {(acl.role, acl.name, acl.prefixed) for acl in plan_acls(settings)}
    assert {
        (AclRole.ENRICHER, "eu-app", False),
        (AclRole.READER, "eu-read", True),
        (AclRole.REENCRYPTOR, "eu.sealed-", True),
        (AclRole.REENCRYPTOR, "eu.reencrypt.", True),
        (AclRole.ROTATOR, "eu-rotation-agent", False),
        (AclRole.REPLAYER, "eu-dead-letter-desk", False),
    } <= names
    assert plan_acls(settings, roles=[AclRole.PRODUCER]) == tuple(
        acl for acl in plan_acls(settings) if acl.role is AclRole.PRODUCER
    )


def test_lines_are_commands_and_comments() -> None:
    """They are pasted into a shell."""
    principals = dict.fromkeys(AclRole, "User:CN=enricher one")
    lines = commands(plan_acls(load_settings()), principals=principals, bootstrap="b:9092")
    for line in lines:
        words = shlex.split(line, comments=True)
        if words:
            assert words[:3] == ["kafka-acls.sh", "--bootstrap-server", "b:9092"]
            assert "User:CN=enricher one" in words
    assert sum(line.startswith("# ") for line in lines) == len(AclRole)


def test_acls_as_json_and_for_other_users(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A role's user may have any name, and a mistyped role is no user without rights."""
    monkeypatch.setenv("AEGIS_BROKER", "kafka:9092")
    assert main(["topics", "acls", "--role", "producer", "--principal", "producer=team-a", "--json"]) == 0
    (acl,) = orjson.loads(capsys.readouterr().out)["acls"]
    assert (acl["principal"], acl["operations"], acl["name"]) == ("User:team-a", ["Write"], "aegis.raw")
    assert acl["command"].startswith("kafka-acls.sh --bootstrap-server kafka:9092")
    assert main(["topics", "acls", "--role", "rotator"]) == 0
    assert "--transactional-id aegis-rotation-agent" in capsys.readouterr().out
    for wrong in ("producer", "produce=x", "producer="):
        assert main(["topics", "acls", "--principal", wrong]) == 2
