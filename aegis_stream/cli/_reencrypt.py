"""Show a running re-encryption, and its account at the end."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import orjson
from rich.console import Console
from rich.table import Table

from aegis_stream.cli._exit import say_error, say_hint
from aegis_stream.cli._progress import EventProgress
from topologies.reencrypt import exit_code_of, run_reencryptor
from topologies.reencrypt_life import Plan

if TYPE_CHECKING:
    from aegis_stream.client.spans import Bound
    from aegis_stream.settings import Settings
    from aegis_stream.wire import DekVersion
    from topologies.reencrypt_account import Account, Tally

TELL_EVERY_S = 1.0


class _Progress:
    """A bar where somebody is looking, JSON lines where they are asked for."""

    def __init__(self, *, json: bool) -> None:
        self._json = json
        self._bar: EventProgress | None = None
        self._left = 0
        self._told_at = 0.0

    def __call__(self, account: Account) -> None:
        if self._bar is None:
            self._left = account.left
            self._bar = EventProgress("encrypting anew", total_events=account.left)
            self._bar.__enter__()
        self._bar.advance(events=max(0, self._left - account.left))
        self._left = account.left
        if self._json and time.monotonic() - self._told_at >= TELL_EVERY_S:
            self._told_at = time.monotonic()
            tell(account, final=False)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.__exit__(None, None, None)


def tell(account: Account, *, final: bool) -> None:
    """Print one JSON line."""
    line = {"event": "account" if final else "progress", **account.to_json()}
    sys.stdout.write(orjson.dumps(line).decode() + "\n")
    sys.stdout.flush()


def run_and_tell(  # noqa: PLR0913 - the options of the command, all by name
    settings: Settings,
    *,
    source: str | None,
    target: str,
    refused_topic: str,
    below: DekVersion | None,
    since: Bound,
    until: Bound,
    batch: int,
    max_rate: float | None,
    json: bool,
) -> int:
    """Run the re-encryptor and return its exit code."""
    plan = Plan(
        source=source or settings.topic_encrypted,
        target=target,
        refused_topic=refused_topic,
        below=below,
        since=since,
        until=until,
        batch=batch,
        max_rate=max_rate,
    )
    progress = _Progress(json=json)
    try:
        account = run_reencryptor(settings, plan, on_progress=progress)
    finally:
        progress.close()
    code = exit_code_of(account)
    if account is None:
        return code
    if json:
        tell(account, final=True)
    else:
        _print(account)
    if not account.complete:
        say_error(f"stopped before the end: {account.left:,} records are left")
        say_hint("run it again: it goes on where it stopped")
    elif account.total.refused:
        say_error(f"{account.total.refused.total():,} records were refused; they lie sealed on {refused_topic}")
        say_hint(f"`aegis history refused {refused_topic}` lists them with reasons and places")
    return code


def _print(account: Account) -> None:
    """Print the account, a line a partition and the sum."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("partition", "read", "kept", "re-encrypted", "refused", "up to"):
        table.add_column(title, justify="right")
    for number, tally in sorted(account.tallies.items()):
        table.add_row(str(number), *_counts(tally), f"{account.positions[number]:,}")
    total = account.total
    table.add_row("all", *_counts(total), "", style="bold")
    console = Console(soft_wrap=False, highlight=False)
    console.print(table)
    for reason, count in sorted(total.refused.items()):
        console.print(f"refused: {count:,} {reason}")
    if total.unread:
        console.print(f"taken away by retention before they were read: up to {total.unread:,}")
    words = "adds up" if account.adds_up else "does NOT add up"
    console.print(f"the account {words}: read = kept + re-encrypted + refused; below {account.task.below}")


def _counts(tally: Tally) -> tuple[str, ...]:
    return tuple(f"{count:,}" for count in (tally.read, tally.kept, tally.reencrypted, tally.refused.total()))
