"""docs/tutorial.md and docs/dashboard.md: every line runs as it stands, on a real Kafka; ports are other ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.page_session import environment, run_session, steps
from tools.kafka.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.kafka, pytest.mark.e2e, pytest.mark.timeout(300)]

DOCS = Path(__file__).parents[2] / "docs"
TUTORIAL = (DOCS / "tutorial.md").read_text("utf-8")
DASHBOARD = (DOCS / "dashboard.md").read_text("utf-8")
SERVERS = re.compile(r"(?:^|\s)aegis dashboard .*--port (\d+)")


def dashboard_steps() -> list[tuple[str, str]]:
    """Return the lines of docs/dashboard.md; a server goes to the background, and must come up healthy."""
    found = []
    for line in re.findall(r"^ {4}\$ (.+)$", DASHBOARD, re.MULTILINE):
        server = SERVERS.search(line)
        if server is None:
            found.append((line, "…"))
        else:
            healthy = f"until curl -fs http://127.0.0.1:{server[1]}/health; do sleep 0.2; done"
            found.append((f"({line} 2> {server[1]}.log) & {healthy}; echo", '…\n{"status":"following"}'))
    return found


def test_tutorial_and_dashboard_page_run_as_they_stand(
    kafka: str, topic_name: Callable[[str], str], tmp_path: Path
) -> None:
    """The first thing that somebody new does must work, to the last line; what is shown of an output was printed."""
    prefix = topic_name("tutorial").replace(".", "-")
    ports = dict(zip(("6066", "6067", "6068", "6069"), map(str, free_ports(4)), strict=True))
    of_page = [(command.replace("6067", "6069"), shown) for command, shown in dashboard_steps()]  # both run at once
    session = [
        (re.sub(r"606[6-9]", lambda port: ports[port[0]], command), shown or "…")
        for command, shown in [*steps(TUTORIAL), *of_page]
    ]
    assert len(of_page) == 4
    variables = environment(kafka, prefix, tmp_path, AEGIS_WEB_PORT=ports["6066"], AEGIS_DASHBOARD_PORT=ports["6067"])
    run_session(session, variables=variables, folder=tmp_path, prefix=prefix)

    token = (tmp_path / "dashboard.token").stat()
    assert token.st_mode & 0o077 == 0
    assert "the page asks for AEGIS_DASHBOARD_TOKEN" in (tmp_path / f"{ports['6068']}.log").read_text()
