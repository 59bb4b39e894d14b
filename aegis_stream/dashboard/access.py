"""Who may look: everybody on this machine where no token is set, else whoever has the token.

The token comes as `Authorization: Bearer …`, or once by the sign-in form, which is answered with a cookie that says
only until when it holds, under a key of this process.  Without a token only requests to a loopback name are answered,
so that a page of another site cannot reach in under a name of its own.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import secrets
import time
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING

from aegis_stream.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MIN_TOKEN_LENGTH = 24
COOKIE = "aegis-dashboard"
SIGNED_IN_S = 12 * 3_600
WRONG_TOKEN_S = 0.5
_LOOPBACK_NAMES = {"localhost"}
_MAKE_ONE = "make one with `openssl rand -base64 32`, in a file of mode 0600 that AEGIS_DASHBOARD_TOKEN_FILE names"


def is_loopback(host: str) -> bool:
    """Tell whether a host, by name or address, is this machine alone."""
    if host in _LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_token(token: str | None, *, host: str) -> None:
    """Refuse a token that can be guessed, and none at all where others can reach the page (ConfigurationError)."""
    if token is None:
        if not is_loopback(host):
            raise ConfigurationError(
                f"the dashboard would be reachable for others on {host}, and AEGIS_DASHBOARD_TOKEN is not set",
                remedy=f"{_MAKE_ONE}; or bind it to 127.0.0.1",
            )
        return
    if len(token) < MIN_TOKEN_LENGTH or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigurationError(
            f"AEGIS_DASHBOARD_TOKEN: is not {MIN_TOKEN_LENGTH} or more ASCII characters without spaces",
            remedy=_MAKE_ONE,
        )


class Access:
    """Judges requests by their headers; all comparisons of secrets take the same time whatever differs."""

    def __init__(self, token: str | None, *, clock: Callable[[], float] = time.time) -> None:
        """`token` None: everybody who reaches a loopback name may look."""
        self._token_hash = None if token is None else _hash(token)
        self._cookie_key = secrets.token_bytes(32)
        self._clock = clock
        self._wrong = asyncio.Lock()

    @property
    def needs_token(self) -> bool:
        """Whether there is a token to be shown."""
        return self._token_hash is not None

    def knows_host(self, host: str) -> bool:
        """Tell whether a request's Host header is one that this page answers to."""
        if self.needs_token:
            return True
        name, _, port = host.rpartition(":")
        return is_loopback(name if name and port.isdigit() else host)

    def allows(self, headers: Mapping[str, str]) -> bool:
        """Tell whether a request may look; `headers` by lower-case name."""
        if self._token_hash is None:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(given):
            return True
        return self._is_signed_in(headers.get("cookie", ""))

    async def sign_in(self, given: str) -> str | None:
        """Return the value of the cookie for a right token.

        A wrong one is answered with None half a second later, one after the other.
        """
        if self._is_token(given):
            until = str(int(self._clock()) + SIGNED_IN_S)
            return f"{until}.{self._seal(until)}"
        async with self._wrong:
            await asyncio.sleep(WRONG_TOKEN_S)
        return None

    def _is_token(self, given: str) -> bool:
        return self._token_hash is not None and hmac.compare_digest(_hash(given.strip()), self._token_hash)

    def _is_signed_in(self, header: str) -> bool:
        try:
            morsel = SimpleCookie(header).get(COOKIE)
        except CookieError:
            return False
        until, _, seal = ("" if morsel is None else morsel.value).partition(".")
        right = hmac.compare_digest(seal.encode(), self._seal(until).encode())
        return right and until.isdigit() and self._clock() < int(until)

    def _seal(self, until: str) -> str:
        return hmac.new(self._cookie_key, until.encode(), hashlib.sha256).hexdigest()


def _hash(text: str) -> bytes:
    """Make texts of one length of all tokens, so that a comparison tells nothing of the length either."""
    return hashlib.sha256(text.encode(errors="replace")).digest()
