"""Before a DEK is destroyed: look what could never be read again."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from aegis_stream.cli._progress import ReadProgress
from aegis_stream.errors import CommandReason, CommandRefusedError
from aegis_stream.keyring.entries import DekState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aegis_stream.keyring.manifest import Manifest
    from aegis_stream.settings import Settings
    from aegis_stream.wire import DekVersion


async def records_left(
    settings: Settings, version: DekVersion, manifest: Manifest, *, topics: Sequence[str] = ()
) -> dict[str, int]:
    """Count the records under a version that are still owed to somebody, by where they are; empty where none are.

    topics: to be looked at besides the encrypted topic.  Nothing is read where the version cannot be destroyed anyway.
    Raises BrokerError: a topic may not be read.
    """
    from aegis_stream.client.remaining import read_remains  # noqa: PLC0415 - aiokafka is slow to import

    entry = manifest.dek(version.text)
    if entry is None or entry.state in {DekState.ACTIVE, DekState.DESTROYED}:
        return {}
    with ReadProgress(f"looking for records under {version}") as progress:
        remains = await read_remains(settings, more_topics=topics, on_begin=progress.expect, on_records=progress.count)
    return remains.under(version.text)


def must_not_remain(version: DekVersion, left: dict[str, int], *, forced: bool) -> int | None:
    """Return how many records a forced destruction gives up, None where there are none.

    Raises CommandRefusedError(RECORDS_REMAIN): there are some, and nobody has forced it.
    """
    total = sum(left.values())
    if not total:
        return None
    where = ", ".join(
        f"{count:,} on {name}" if name != "dead letters" else f"{count:,} {name}" for name, count in left.items()
    )
    if not forced:
        raise CommandRefusedError(
            CommandReason.RECORDS_REMAIN,
            f"{total:,} records under {version} are still within their retention: {where}",
            remedy="`aegis run reencryptor` saves them, `aegis history audit` says when they are gone; "
            "--force gives them up, and both custodians sign that",
        )
    sys.stderr.write(f"aegis: warning: forced: {total:,} records can never be read again: {where}\n")
    return total
