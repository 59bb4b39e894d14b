"""The operators' page in a headless Chromium, over real Kafka, a real agent and two real enrichers (`make e2e`)."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from tests.support.browser import Browser
from tests.support.command_line import CommandLine
from tests.support.dashboard_stage import DashboardStage, dashboard_stage
from tests.support.operators import Operators
from tests.support.page_audit import CONTRAST, CONTROL_NAMES, WIDER, Node, accessibility_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.kafka, pytest.mark.e2e, pytest.mark.timeout(600)]

ARTIFACTS = Path(__file__).parents[2] / "artifacts"
TOKEN = "a-token-of-thirty-two-characters"
MARKUP = "laptop lost <img src=x onerror=alert(1)><script>alert(1)</script>"
TAB, ENTER, ESCAPE = "\ue004", "\ue007", "\ue00c"
EVENT = orjson.dumps({"event_id": "e-1", "actor_id": "mara@risk.example", "workflow_id": "w-1", "outcome": "pass"})


@pytest.fixture(scope="module")
def stage(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DashboardStage]:
    """Run a deployment with two enrichers, each of which has had events."""
    folder = tmp_path_factory.mktemp("e2e")
    name = f"payments-eu-{os.getpid()}"
    with dashboard_stage(kafka, folder, name, enrichers=2, token=TOKEN) as running:
        yield running


@pytest.fixture(scope="module")
def browser(stage: DashboardStage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Open a window and sign in."""
    with Browser(tmp_path_factory.mktemp("browser"), height=1000) as window:
        window.open(f"{stage.url}/")
        yield window


@pytest.fixture
def operators(
    stage: DashboardStage, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Operators:
    """Let custodians type commands."""
    return Operators(CommandLine(monkeypatch, capsysbinary), stage.place, monkeypatch)


def tree(browser: Browser) -> list[Node]:
    """Return what assistive technology is told of the page."""
    return accessibility_tree(browser.dev_tools("Accessibility.getFullAXTree")["nodes"])


def test_people_sign_in_with_the_keyboard_alone(stage: DashboardStage, browser: Browser) -> None:
    """The field has the focus; a wrong token is told, by name, where a screen reader hears it."""
    assert browser.address == f"{stage.url}/login"
    browser.press(*"wrong", ENTER)
    browser.until(lambda: browser.text("[role=alert]") == "This is not the token.")
    assert browser.run("return document.activeElement.id") == "token"
    browser.press(*TOKEN, ENTER)
    browser.until(lambda: browser.text("#connection") == "live")
    browser.until(lambda: browser.text("#attention") == "All is well.")
    assert browser.run("return document.cookie") == ""  # out of reach for scripts
    assert [line for line in browser.complaints() if "401" not in line] == []  # the wrong token's


def test_page_moves_by_itself(stage: DashboardStage, browser: Browser) -> None:
    """Events, lag, refusals and dead letters of two enrichers, without a reload."""
    browser.run("window.sameDocument = true")
    stage.send([EVENT] * 400)
    stage.send([b"not json"] * 4 + [b'{"a":' + b"[" * 200 + b"]" * 200 + b"}"] * 2)
    browser.until(lambda: "not-json" in browser.text("#letter-rows") and "too-deep" in browser.text("#letter-rows"))
    rows = "return [...document.querySelectorAll('#enricher-rows tr')].map(row => [...row.cells].map(c => c.innerText))"
    browser.until(lambda: [int(row[5]) for row in browser.run(rows)] == [200, 200])
    active = stage.sections()["manifest"]["active_version"]
    for address, state, version, *_ in browser.run(rows):
        assert address.startswith("http://127.0.0.1:")
        assert (state.split()[-1], version) == ("ready", active)
    assert browser.text("#letters-caption") == "Dead letters on the topic: 6"
    browser.until(lambda: "events, by enrichers" in browser.text("#refusals"))
    stage.until(lambda now: max(now["traffic"]["history"]) > 0)
    browser.until(
        lambda: browser.run("return document.querySelector('.spark path')?.getAttribute('d').includes(' 2.0')")
    )
    assert browser.run("return window.sameDocument")


def test_a_command_is_shown_as_text_with_its_signatures_and_its_effect(
    stage: DashboardStage, browser: Browser, operators: Operators
) -> None:
    """What attackers write in a reason is read, and is nothing else."""
    operators.ask("rotate", "--reason", "quarterly rotation", by="risk-lead")
    browser.until(lambda: browser.run("return document.querySelectorAll('#deks tr').length") == 2)
    (old,) = (dek["version"] for dek in stage.sections()["keyring"]["deks"] if dek["state"] == "decrypt-only")
    asked = operators.ask("revoke", old, "--reason", MARKUP, by="risk-lead")
    browser.until(lambda: browser.text("#waiting article h3") == "revoke-dek")
    card = browser.text("#waiting article")
    assert MARKUP in card
    for part in ("PARTIAL", "signed: risk-lead", "missing: security-lead", f"DEK {old}: decrypt-only -> revoked"):
        assert part in card
    assert f"aegis control approve {asked['id']}" in card
    assert browser.run("return document.querySelectorAll('main img, main script, main style').length") == 0
    browser.until(lambda: "Command revoke-dek is PARTIAL." in browser.text("#announcer"))
    assert browser.complaints() == []


def test_page_can_be_used_without_a_mouse(browser: Browser) -> None:
    """The first Tab offers to skip to the content; tables can be scrolled, details opened and closed, focus seen."""
    browser.run("document.activeElement.blur(); window.scrollTo(0, 0)")
    browser.press(TAB)
    assert browser.run("return document.activeElement.className") == "skip"
    assert browser.run("return document.activeElement.getBoundingClientRect().top") >= 0
    browser.press(ENTER)
    browser.until(lambda: browser.run("return document.activeElement.id") == "main")
    reached = set()
    for _ in range(40):
        browser.press(TAB)
        here = "const e = document.activeElement; return [e.tagName, e.getAttribute('aria-label') ?? e.textContent]"
        name = browser.run(here)
        if name[0] == "BODY":  # behind the last one stands the browser's own window
            continue
        assert browser.run("return getComputedStyle(document.activeElement).outlineStyle") in {"solid", "auto"}, name
        reached.add(tuple(name))
    assert ("DIV", "Answered commands") not in reached  # it is closed
    assert ("DIV", "Dead letters by reason and partition") in reached
    summaries = [text for tag, text in reached if tag == "SUMMARY"]
    assert any(text.startswith("Answered commands") for text in summaries)


def test_what_is_open_and_has_the_focus_stays_so_when_the_page_moves(
    stage: DashboardStage, browser: Browser, operators: Operators
) -> None:
    """A reader must not be thrown out of the place where he reads."""
    browser.run("document.querySelector('#waiting summary').focus()")
    browser.press(ENTER)
    assert browser.run("return document.querySelector('#waiting details').open")
    (old,) = (dek["version"] for dek in stage.sections()["keyring"]["deks"] if dek["state"] == "decrypt-only")
    operators.ask("revoke", old, "--reason", "the laptop of a reader was lost", by="security-lead")
    browser.until(lambda: browser.run("return document.querySelectorAll('#waiting article').length") == 2)
    assert browser.run("return document.querySelector('#waiting details').open")
    focused = "return document.activeElement.tagName + document.activeElement.closest('article').dataset.key"
    first = "return 'SUMMARY' + document.querySelector('#waiting article').dataset.key"
    assert browser.run(focused) == browser.run(first)
    browser.press(ESCAPE)
    assert not browser.run("return document.querySelector('#waiting details').open")


def test_a_command_that_is_rejected_leaves_the_list(browser: Browser, operators: Operators) -> None:
    """And stands among the answered ones, where it can be looked up."""
    hostile = browser.run("return document.querySelector('#waiting article').dataset.key")
    operators.ask("control", "reject", hostile, "--reason", "nobody asked for it", by="security-lead")
    browser.until(lambda: browser.run("return document.querySelectorAll('#waiting article').length") == 1)
    assert browser.text("#waiting article .facts dd") == "the laptop of a reader was lost"
    rows = "return [...document.querySelectorAll('#answered tr')].map(row => row.textContent)"
    browser.until(lambda: any(hostile in row and "REJECTED" in row for row in browser.run(rows)))


def test_screen_readers_are_told_the_structure(browser: Browser) -> None:
    """Landmarks, headings without gaps, tables whose columns and rows have names, and one polite voice."""
    nodes = tree(browser)
    roles = [node.role for node in nodes]
    for landmark in ("banner", "navigation", "main", "contentinfo"):
        assert roles.count(landmark) == 1, landmark
    headings = [(node.level, node.name) for node in nodes if node.role == "heading"]
    assert headings[0][0] == 1
    assert all(after <= before + 1 for (before, _), (after, _) in itertools.pairwise(headings))
    regions = [node.name for node in nodes if node.role == "region"]
    named = set(regions)
    assert len(named) == len(regions)  # two of one name cannot be told apart in a list of them
    assert {"Now", "Commands that wait", "Enrichers", "Keyring", "Custodians", "Audit trail"} <= named
    assert all(node.name for node in nodes if node.role in {"region", "link", "button", "article", "columnheader"})
    assert {"columnheader", "rowheader"} <= set(roles)
    assert browser.run("return document.querySelectorAll('[aria-live]').length") == 1
    assert browser.run("return document.documentElement.lang") == "en"
    assert browser.run(CONTROL_NAMES) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_is_readable_in_light_and_in_dark(browser: Browser, scheme: str) -> None:
    """Every text stands out from its ground by 4.5 to 1 or more; the screenshots are kept."""
    browser.scheme(scheme)
    browser.run("document.activeElement.blur(); window.scrollTo(0, 0)")
    ground = browser.run("return getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in ground.strip("rgb()").split(","))
    assert (brightness > 380) == (scheme == "light")
    assert browser.run(CONTRAST) == []
    browser.screenshot(ARTIFACTS / f"dashboard-{scheme}.png")
    browser.screenshot(ARTIFACTS / f"dashboard-{scheme}-top.png", whole=False)
    for file in (f"dashboard-{scheme}.png", f"dashboard-{scheme}-top.png"):
        assert (ARTIFACTS / file).stat().st_size > 20_000


def test_page_fits_a_phone(browser: Browser) -> None:
    """Tables scroll in themselves; the page does not."""
    metrics: dict[str, Any] = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    browser.dev_tools("Emulation.setDeviceMetricsOverride", **metrics)
    try:
        assert browser.run(WIDER, 360) == []
        browser.screenshot(ARTIFACTS / "dashboard-phone.png", whole=False)
    finally:
        browser.dev_tools("Emulation.clearDeviceMetricsOverride")


def test_an_enricher_that_is_gone_is_seen_and_heard(stage: DashboardStage, browser: Browser) -> None:
    """First of all that needs attention, and spoken."""
    gone = stage.enrichers[1]
    gone.stop()
    address = f"http://127.0.0.1:{gone.port}"
    browser.until(lambda: f"{address}: nobody answers" in browser.text("#attention"))
    browser.until(lambda: address in browser.text("#announcer"))
    assert browser.run("return document.querySelector('#attention li').dataset.level") == "bad"


def test_page_says_that_it_has_lost_the_connection(stage: DashboardStage, browser: Browser) -> None:
    """A page that silently shows the past is worse than none.  The last test: the dashboard stops."""
    stage.process.terminate()
    browser.until(lambda: "connection lost" in browser.text("#connection"))
    assert stage.process.wait(60) == 0
