"""`aegis dashboard` refuses to start where that would be unsafe, before it listens or asks anybody."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import re
import ssl
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from aegis_stream.wire import b64encode
from tests.support.keyrings import AGENT
from tools.kafka.certificates import Authority

if TYPE_CHECKING:
    from pathlib import Path

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


def test_dashboard_serves_by_tls_and_says_that_kafka_is_away(tmp_path: Path) -> None:
    """It is up before Kafka is, tells supervisors the truth, and ends in good order when it is told to."""
    authority = Authority(tmp_path)
    issued = authority.issue("dashboard")
    issued.key.chmod(0o600)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AEGIS_")} | {
        "AEGIS_BROKER": "127.0.0.1:1",
        "AEGIS_AGENT_PUBLIC_KEY": PUBLIC,
        "AEGIS_DASHBOARD_TLS_CERTFILE": str(issued.certificate),
        "AEGIS_DASHBOARD_TLS_KEYFILE": str(issued.key),
    }
    command = [sys.executable, "-W", "error", "-m", "aegis_stream", "dashboard", "--port", "0"]
    context = ssl.create_default_context(cafile=str(authority.ca_path))
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            found = re.search(r"dashboard on (https://127\.0\.0\.1:\d+)/\n", process.stderr.readline())
            assert found
            until_away(found[1], context)
            process.terminate()
            said = process.stderr.read()
            assert process.wait(60) == 0, said
            assert "Traceback" not in said
        finally:
            process.kill()


def until_away(url: str, context: ssl.SSLContext) -> None:
    """Poll /health until it says that the control topic cannot be read."""
    host, _, port = url.removeprefix("https://").rpartition(":")
    deadline = time.monotonic() + 60
    told = (0, "")
    while told != (503, "away"):
        assert time.monotonic() < deadline, told
        connection = http.client.HTTPSConnection(host, int(port), timeout=30, context=context)
        try:
            connection.request("GET", "/health")
            answer = connection.getresponse()
            told = (answer.status, json.load(answer)["status"])
        finally:
            connection.close()
        time.sleep(0.05)
