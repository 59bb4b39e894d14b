"""deploy/prometheus and deploy/grafana: every expression is one that Prometheus takes, over metrics that we export."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import promql_parser
import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from aegis_stream.dashboard.board import Board
from aegis_stream.dashboard.metrics import metrics_text
from aegis_stream.kek.metrics import KEKMetrics
from topologies.metrics import EnricherMetrics

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PROMETHEUS, GRAFANA = ROOT / "deploy" / "prometheus", ROOT / "deploy" / "grafana"
RULES = [rule for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
BOARD = json.loads((GRAFANA / "aegis.json").read_text())
EXAMPLES = yaml.safe_load((PROMETHEUS / "alerts.test.yml").read_text())["tests"]
OTHERS = {"up": {"job", "instance"}, "process_resident_memory_bytes": set()}
"""What Prometheus adds by itself, and what its client exports on Linux."""
TARGET_LABELS = {"job", "instance"}
WANTED = {
    "manifest age": "aegis_enricher_manifest_age_seconds",
    "refusals": "aegis_control_refused_records",
    "dead letters": "aegis_enricher_dead_letters_total",
    "lag": "aegis_enricher_lag_records",
    "rotation overdue": "aegis_keyring_rotation_overdue_seconds",
    "two active versions": "aegis_enricher_dek_info",
}


class _Doors:
    """Nothing is dropped."""

    dropped: dict[str, int] = {}  # noqa: RUF012 - never changed


def exported() -> dict[str, set[str]]:
    """Return every metric that our code exports, with its labels, from what it writes."""
    board = Board()
    moment = "2026-03-01T12:00:00Z"
    board.put("control", {"state": "following"})
    times = dict.fromkeys(["issued_at", "active_since", "rotation_due"], moment)
    board.put("manifest", {"sequence": 1, **times})
    board.put("dek_states", {"active": 1})
    board.put("command_states", {"partial": 1})
    board.put("marks", {"replayed": 1})
    board.put("dead_letters", {"problem": "", "rows": [{"reason": "not-json", "total": 1}]})
    registry = CollectorRegistry()
    KEKMetrics(registry)
    enricher = EnricherMetrics(_Doors())  # type: ignore[arg-type]  # nothing was dropped
    for metric in vars(enricher).values():
        if getattr(metric, "_labelnames", ()):
            metric.labels(*["x"] * len(metric._labelnames))
    found: dict[str, set[str]] = {}
    for text in (metrics_text(board).decode(), enricher.text().decode()):
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
    return found


KNOWN = {**exported(), **OTHERS}


def expressions() -> Iterator[tuple[str, str]]:
    """Yield where each expression stands, and what it is; Grafana's own variables are given a value."""
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    targets = [(panel["title"], target["expr"]) for panel in BOARD["panels"] for target in panel["targets"]]
    for title, expression in [*targets, *((each["name"], each["expr"]) for each in BOARD["annotations"]["list"])]:
        yield title, expression.replace("$__rate_interval", "5m")


def selectors(expression: str) -> list[Any]:
    """Parse an expression and return what it selects."""
    found: list[Any] = []

    def visit(node: Any) -> bool:  # noqa: ANN401 - any node of the tree
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        elif isinstance(node, promql_parser.MatrixSelector):
            found.append(node.vector_selector)
        return True

    promql_parser.walk(promql_parser.parse(expression), pre_visit=visit)
    return found


@pytest.mark.parametrize(("place", "expression"), list(expressions()), ids=[place for place, _ in expressions()])
def test_every_expression_parses_and_names_metrics_that_we_export(place: str, expression: str) -> None:
    """A metric that was renamed makes an alert that never fires, and nobody notices."""
    chosen = selectors(expression)
    assert chosen, place
    for selector in chosen:
        assert selector.name in KNOWN, (place, selector.name)
        for matcher in selector.matchers.matchers:
            assert matcher.name in KNOWN[selector.name] | TARGET_LABELS, (place, matcher.name)
    labels = set().union(*(KNOWN[selector.name] for selector in chosen)) | TARGET_LABELS
    for by in re.findall(r"\bby \(([^)]*)\)", expression):
        assert {name.strip() for name in by.split(",")} <= labels, (place, by)


def test_what_operators_must_be_told_has_an_alert() -> None:
    """One for each, over the metric that tells it."""
    told = {selector.name for rule in RULES for selector in selectors(rule["expr"])}
    assert {what for what, metric in WANTED.items() if metric not in told} == set()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_says_what_it_means_and_what_to_do(rule: dict[str, Any]) -> None:
    """Whoever is woken by it has not read the documentation; and examples say when it fires and when not."""
    assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert set(rule["annotations"]) == {"summary", "description"}
    assert len(rule["annotations"]["summary"]) < 100
    known = set().union(*(KNOWN[selector.name] for selector in selectors(rule["expr"]))) | TARGET_LABELS
    for label in re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())):
        assert label in known
    examples = [each for test in EXAMPLES for each in test["alert_rule_test"] if each["alertname"] == rule["alert"]]
    assert {"exp_alerts" in each for each in examples} == {True, False}


def test_pages_that_annotations_name_exist() -> None:
    """Links in alerts rot where nobody looks."""
    for rule in RULES:
        for page, chapter in re.findall(r"(docs/[a-z-]+\.md), \"([^\"]+)\"", rule["annotations"]["description"]):
            assert f"## {chapter}" in (ROOT / page).read_text(), (rule["alert"], page, chapter)


def test_commands_that_annotations_name_exist() -> None:
    """So do commands."""
    from tests.cli.test_main import ALL_COMMANDS  # noqa: PLC0415 - the whole command line

    for rule in RULES:
        for command in re.findall(r"`aegis ([a-z- ]+)`", rule["annotations"]["description"]):
            assert tuple(command.split()) in ALL_COMMANDS, (rule["alert"], command)


def test_prometheus_asks_the_processes_that_the_alerts_are_about() -> None:
    """And loads the rules."""
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    assert config["rule_files"] == ["alerts.yml"]
    assert {job["job_name"] for job in config["scrape_configs"]} == {"aegis-enricher", "aegis-dashboard"}


def test_grafana_finds_dashboard_and_source() -> None:
    """The dashboard takes the source by a variable, so it can be imported anywhere."""
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert (source["type"], source["access"]) == ("prometheus", "proxy")
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/aegis.yml").read_text())["providers"]
    assert provider["options"]["path"]
    assert [(each["name"], each["type"]) for each in BOARD["templating"]["list"]] == [("source", "datasource")]
    assert {panel["datasource"]["uid"] for panel in BOARD["panels"]} == {"${source}"}


def test_panels_of_the_dashboard_do_not_overlap() -> None:
    """Grafana would push them about."""
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
