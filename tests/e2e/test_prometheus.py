"""A real Prometheus asks a real enricher and the real dashboard, with our alert rules and for Grafana's panels."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.dashboard_stage import dashboard_stage
from tools.kafka.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.kafka, pytest.mark.e2e, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
TAKEN_OUT = ROOT / ".cache" / "prometheus" / "usr" / "bin" / "prometheus"
TOKEN = "a-token-of-thirty-two-characters"
EVENT = b'{"event_id":"e-1","actor_id":"mara@risk.example","outcome":"pass"}'
EMPTY_WHERE_ALL_IS_WELL = {"Refused on the control topic", "Keys and headers that were dropped"}


class Prometheus:
    """A running server and its HTTP interface."""

    def __init__(self, port: int) -> None:
        """Ask 127.0.0.1:port."""
        self._address = f"http://127.0.0.1:{port}/api/v1"

    def ask(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 - any JSON value
        """Return the data of an answer; None while nobody listens."""
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(f"{self._address}/{path}?{query}", timeout=30) as answer:  # noqa: S310
                shape = json.load(answer)
        except ConnectionError:
            return None
        except urllib.error.URLError as error:
            if isinstance(error.reason, ConnectionError):
                return None
            raise
        assert shape["status"] == "success", shape
        return shape["data"]

    def until(self, reached: Callable[[], Any], *, timeout_s: float = 90.0) -> None:
        """Poll until something is true."""
        end = time.monotonic() + timeout_s
        while not reached():
            assert time.monotonic() < end, self.ask("targets")
            time.sleep(0.2)

    def healthy(self) -> list[str]:
        """Return the jobs whose targets answer."""
        data = self.ask("targets", state="active") or {"activeTargets": []}
        return sorted(each["labels"]["job"] for each in data["activeTargets"] if each["health"] == "up")


def config(folder: Path, *, enricher: int, dashboard: str) -> Path:
    """Return our own configuration with this machine's addresses, and asking more often."""
    shape = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    shape["global"] = dict.fromkeys(["scrape_interval", "scrape_timeout", "evaluation_interval"], "1s")
    shape["rule_files"] = [str(ROOT / "deploy" / "prometheus" / "alerts.yml")]
    token = folder / "token"
    token.write_text(TOKEN)
    of_enricher, of_dashboard = shape["scrape_configs"]
    of_enricher["static_configs"] = [{"targets": [f"127.0.0.1:{enricher}"]}]
    of_dashboard["static_configs"] = [{"targets": [dashboard]}]
    of_dashboard["authorization"]["credentials_file"] = str(token)
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(shape))
    return file


def test_prometheus_sees_what_alerts_and_panels_ask_for(kafka: str, tmp_path: Path) -> None:
    """Every expression of ours is answered with data of real processes, and a refused event becomes an alert."""
    program = shutil.which("prometheus") or str(TAKEN_OUT)
    assert Path(program).exists(), "there is no prometheus: `make e2e` brings it where it may"
    (port,) = free_ports(1)
    folder = tmp_path / "stage"
    folder.mkdir()
    with dashboard_stage(kafka, folder, f"prometheus-{os.getpid()}", token=TOKEN) as stage:
        (enricher,) = stage.enrichers
        file = config(tmp_path, enricher=enricher.port, dashboard=stage.url.removeprefix("http://"))
        command = [program, f"--config.file={file}", f"--storage.tsdb.path={tmp_path / 'data'}"]
        with (tmp_path / "log").open("wb") as log:
            server = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
        try:
            prometheus = Prometheus(port)
            prometheus.until(lambda: prometheus.healthy() == ["aegis-dashboard", "aegis-enricher"])
            stage.send([EVENT] * 40 + [b"not json"] * 4)
            refused = 'sum(aegis_enricher_dead_letters_total{reason="not-json"}) == 4'
            prometheus.until(lambda: prometheus.ask("query", query=refused)["result"])
            board = json.loads((ROOT / "deploy" / "grafana" / "aegis.json").read_text())
            for panel in board["panels"]:
                for target in panel["targets"]:
                    query = target["expr"].replace("$__rate_interval", "1m")
                    if panel["title"] in EMPTY_WHERE_ALL_IS_WELL:
                        prometheus.ask("query", query=query)
                    else:
                        prometheus.until(lambda query=query: prometheus.ask("query", query=query)["result"])
            rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
            assert len(rules) == 12
            assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
            prometheus.until(
                lambda: (
                    {alert["labels"]["alertname"] for alert in prometheus.ask("alerts")["alerts"]}
                    == {"AegisDeadLetters", "AegisRefusalsHigh"}
                )
            )
        finally:
            server.terminate()
            server.wait(60)
