"""The dashboard over HTTP: who may look, what browsers are told, and what the stream says."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from aegis_stream.dashboard import app
from aegis_stream.dashboard.access import COOKIE, MIN_TOKEN_LENGTH, SIGNED_IN_S, Access, check_token, is_loopback
from aegis_stream.dashboard.app import STATIC
from aegis_stream.dashboard.server import enricher_addresses, listen, refuse_private_keys
from aegis_stream.errors import ConfigurationError
from tests.support.served_pages import Pages, served_pages

if TYPE_CHECKING:
    import http.client
    from collections.abc import Iterator

TOKEN = "a-token-of-thirty-two-characters"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
BROWSER = {"Accept": "text/html,application/xhtml+xml"}
CLOSED = ["/", "/api/state", "/events", "/metrics", "/static/app.js", "/static/index.html", "/nowhere"]


@pytest.fixture(scope="module")
def open_pages() -> Iterator[Pages]:
    """Serve without a token, to this machine."""
    with served_pages() as pages:
        yield pages


@pytest.fixture(scope="module")
def guarded() -> Iterator[Pages]:
    """Serve with a token."""
    with served_pages(TOKEN) as pages:
        yield pages


@pytest.mark.parametrize("path", ["/", "/api/state", "/static/app.js", "/login", "/metrics", "/nowhere"])
def test_every_answer_forbids_what_the_page_has_no_use_for(open_pages: Pages, path: str) -> None:
    """A text that slipped in as markup could still run nothing, load nothing and send nothing."""
    headers = open_pages.ask(path).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert policy["trusted-types"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src", "img-src")} == {"'self'"}
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"


def test_page_has_nothing_inline_and_loads_nothing_from_elsewhere() -> None:
    """The policy would stop it, and the page would not work."""
    for name in ("index.html", "login.html"):
        text = (STATIC / name).read_text("utf-8")
        assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", text)
        assert not re.search(r"(?:src|href|action)=\"(?!/static/|/login|/logout|#)", text)
    for file in [*STATIC.glob("*.js"), *STATIC.glob("*.css")]:
        text = file.read_text("utf-8").replace("http://www.w3.org/2000/svg", "").replace("http://host:port", "")
        assert "://" not in text, file
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text), (
            file
        )


@pytest.mark.parametrize("path", CLOSED)
def test_without_the_token_nothing_is_shown(guarded: Pages, path: str) -> None:
    """Neither with a wrong one, nor with none."""
    for headers in ({}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": TOKEN}, {"Cookie": f"{COOKIE}=9.ab"}):
        answer = guarded.ask(path, headers=headers)
        assert (answer.status, answer.headers.get("www-authenticate")) == (401, "Bearer")


def test_token_opens_every_route(guarded: Pages) -> None:
    """As Prometheus and scripts send it."""
    for path in ("/", "/api/state", "/metrics", "/static/app.js"):
        assert guarded.ask(path, headers=BEARER).status == 200
    assert guarded.ask("/health").status == 503  # it is told to everybody, and names nothing
    assert json.loads(guarded.ask("/health").body) == {"status": "starting"}


def test_people_sign_in_once(guarded: Pages) -> None:
    """A browser cannot send a header of its own with a stream, so the form sets a cookie that scripts cannot read."""
    assert guarded.ask("/", headers=BROWSER).headers["location"] == "/login"
    assert b"This is not the token." not in guarded.ask("/login").body
    wrong = guarded.ask("/login", method="POST", body="token=%3Cb%3Ex")
    assert (wrong.status, b"This is not the token." in wrong.body, b"<b>x" in wrong.body) == (401, True, False)
    right = guarded.ask("/login", method="POST", body=f"token={TOKEN}")
    assert (right.status, right.headers["location"]) == (303, "/")
    cookie = right.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert TOKEN not in cookie
    shown = guarded.ask("/", headers={"Cookie": cookie.partition(";")[0], **BROWSER})
    assert (shown.status, b"<main" in shown.body) == (200, True)
    assert "Max-Age=0" in guarded.ask("/logout", method="POST", headers=BEARER).headers["set-cookie"]


async def test_cookie_lapses_and_belongs_to_one_process() -> None:
    """A cookie that was copied helps for hours at most, and not after a restart."""
    now = [1_000.0]
    access = Access(TOKEN, clock=lambda: now[0])
    cookie = {"cookie": f"{COOKIE}={await access.sign_in(TOKEN)}"}
    assert access.allows(cookie)
    assert not Access(TOKEN, clock=lambda: now[0]).allows(cookie)
    later = cookie["cookie"].replace(str(1_000 + SIGNED_IN_S), str(9_000 + SIGNED_IN_S))
    assert later != cookie["cookie"]
    assert not access.allows({"cookie": later})
    now[0] += SIGNED_IN_S
    assert not access.allows(cookie)
    assert not access.allows({"cookie": 'a="'})


@pytest.mark.parametrize(("method", "path"), [("POST", "/"), ("PUT", "/api/state"), ("DELETE", "/events")])
def test_page_only_reads(open_pages: Pages, method: str, path: str) -> None:
    """There is nothing to press, and nothing to post to."""
    assert open_pages.ask(path, method=method).status == 405


@pytest.mark.parametrize("host", ["evil.example", "evil.example:6067", "127.0.0.1.evil.example", ""])
def test_without_a_token_only_loopback_names_are_answered(open_pages: Pages, host: str) -> None:
    """Else a page of another site could point a name of its own at this machine and read along."""
    assert open_pages.ask("/api/state", headers={"Host": host}).status == 421


@pytest.mark.parametrize("host", ["localhost", "localhost:6067", "127.0.0.1:1", "[::1]:6067"])
def test_loopback_names_are_answered(open_pages: Pages, host: str) -> None:
    """All of them."""
    assert open_pages.ask("/api/state", headers={"Host": host}).status == 200


def next_message(stream: http.client.HTTPResponse) -> dict[str, Any]:
    """Return the data of the next event; what keeps the connection alive is passed over."""
    line = b""
    while line != b"event: state\n":
        line = stream.readline()
        assert line, "the stream has ended"
    message: dict[str, Any] = json.loads(stream.readline().removeprefix(b"data: "))
    return message


def test_stream_sends_everything_and_then_what_changes(open_pages: Pages) -> None:
    """A reader that comes late sees what one that came early sees."""
    open_pages.put("one", {"text": "<script>"})
    with open_pages.stream() as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        assert next_message(stream)["sections"]["one"] == {"text": "<script>"}
        open_pages.put("one", {"text": "<script>"})  # unchanged
        open_pages.put("two", 2)
        assert next_message(stream)["sections"] == {"two": 2}
    state = json.loads(open_pages.ask("/api/state").body)
    assert {"one", "two"} <= state["sections"].keys()


def test_stream_is_heard_also_while_nothing_changes(open_pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page tells a quiet deployment from a connection that is dead."""
    monkeypatch.setattr(app, "HEARTBEAT_S", 0.05)
    with open_pages.stream() as stream:
        next_message(stream)
        assert any(line == b"event: beat\n" for line in stream)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "aegis.example", "127.example"])  # noqa: S104 - refused
def test_others_are_let_in_with_a_token_only(host: str) -> None:
    """A page that everybody in the network can read must be meant."""
    assert not is_loopback(host)
    with pytest.raises(ConfigurationError, match="AEGIS_DASHBOARD_TOKEN is not set"):
        check_token(None, host=host)
    check_token(TOKEN, host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "::1", "[::1]"])
def test_this_machine_may_look_without_one(host: str) -> None:
    """It may read the topic as well."""
    check_token(None, host=host)


@pytest.mark.parametrize("token", ["", "short", "x" * (MIN_TOKEN_LENGTH - 1), "with spaces in a long token", "ü" * 40])
def test_a_token_that_can_be_guessed_is_refused(token: str) -> None:
    """The error does not quote it."""
    with pytest.raises(ConfigurationError) as refusal:
        check_token(token, host="127.0.0.1")
    assert not token or token not in str(refusal.value)


@pytest.mark.parametrize(
    "name",
    [
        "AEGIS_AGENT_SIGNING_KEY",
        "AEGIS_SESSION_SIGNING_KEY_FILE",
        "AEGIS_MASTER_KEK_PRIVATE_FILE",
        "AEGIS_NEXT_MASTER_KEK_PRIVATE",
        "AEGIS_HSM_PIN",
        "AEGIS_PSEUDONYM_KEY_FILE",
        "AEGIS_KMS_WRAPPED_PRIVATE_KEY",
    ],
)
def test_dashboard_does_not_start_beside_a_private_key(name: str) -> None:
    """A web page is a way in; behind it must be nothing to take."""
    with pytest.raises(ConfigurationError, match=name):
        refuse_private_keys({name: "x"})


def test_public_keys_and_passwords_of_the_broker_are_no_private_keys() -> None:
    """It needs them."""
    refuse_private_keys(
        {
            "AEGIS_AGENT_PUBLIC_KEY_FILE": "x",
            "AEGIS_MASTER_KEK_PUBLIC": "x",
            "AEGIS_KAFKA_SASL_PASSWORD_FILE": "x",
            "AEGIS_DASHBOARD_TOKEN": "x",
            "AEGIS_PSEUDONYM_KEY": "",
        }
    )


def test_addresses_of_enrichers_are_plain_ones() -> None:
    """The page asks exactly what it was told to ask."""
    assert enricher_addresses("http://a:1, https://[::1]:2/,http://a:1") == ("http://a:1", "https://[::1]:2")
    assert enricher_addresses("") == ()
    for wrong in ("a:1", "file:///etc/passwd", "http://a", "http://a:1/x", "http://u@a:1"):
        with pytest.raises(ConfigurationError, match="http://host:port"):
            enricher_addresses(wrong)


def test_a_port_that_is_taken_is_told() -> None:
    """One line, no traceback."""
    with listen("127.0.0.1", 0) as first, pytest.raises(ConfigurationError, match="the dashboard cannot listen"):
        listen("127.0.0.1", first.getsockname()[1])
    with pytest.raises(ConfigurationError, match="the dashboard cannot listen"):
        listen("192.0.2.1", 0)  # no address of any machine
