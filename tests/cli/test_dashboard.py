"""`aegis dashboard` refuses to start where that would be unsafe, before it listens or asks anybody."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from aegis_stream.wire import b64encode
from tests.support.keyrings import AGENT

if TYPE_CHECKING:
    from tests.support.command_line import CommandLine

PUBLIC = b64encode(AGENT.public)


@pytest.mark.parametrize(
    ("variables", "options", "told"),
    [
        ({}, ["--host", "0.0.0.0"], "AEGIS_DASHBOARD_TOKEN is not set"),  # noqa: S104 - that it is refused
        ({"AEGIS_DASHBOARD_TOKEN": "short"}, [], "AEGIS_DASHBOARD_TOKEN: is not 24 or more ASCII characters"),
        ({"AEGIS_PSEUDONYM_KEY": "A" * 43 + "="}, [], "AEGIS_PSEUDONYM_KEY: the dashboard is given no private key"),
        ({}, ["--enricher", "file:///etc/passwd"], "an enricher's address is not http://host:port"),
        ({"AEGIS_DASHBOARD_TLS_CERTFILE": "c.pem"}, [], "AEGIS_DASHBOARD_TLS_KEYFILE: one of the two is not set"),
        ({}, [], "AEGIS_BROKER is not set"),
    ],
)
def test_dashboard_does_not_start_where_it_would_be_unsafe(
    aegis: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    options: list[str],
    told: str,
) -> None:
    """Exit code 2, one line that says why, one that says what to do, and no token in either."""
    monkeypatch.setenv("AEGIS_AGENT_PUBLIC_KEY", PUBLIC)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    ended = aegis("dashboard", "--port", "0", *options)
    assert (ended.code, told in ended.err, "aegis: hint: " in ended.err) == (2, True, True), ended.err
    assert "short" not in ended.err


def test_dashboard_names_the_extra_that_it_needs(aegis: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever installed the core alone is told what is missing."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    ended = aegis("dashboard")
    assert (ended.code, "pip install 'aegis-stream[dashboard]'" in ended.err) == (2, True)
