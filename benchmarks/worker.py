"""`python -m benchmarks.worker KIND JOB`: one process that moves records until SIGTERM.  JOB is JSON, see Job.

Kinds: `copy` and `large-copy`, the plain aiokafka copy; `enricher`, the real one in pure Python; `native`, the real one
with the native core; `stand-in`, the same with a protect_batch that copies.  The copies are as anybody writes them; how
the enricher keeps its memory is a part of it.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from aegis_stream.settings import load_settings
from benchmarks.engines import hide_native
from benchmarks.plain_copy import copy
from benchmarks.stand_in import CopyingEncryptor
from benchmarks.topics import Job
from topologies.protect_events import run_enricher
from topologies.worker import use_fast_loop
from topologies.writers import library_encryptor

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Run one worker; the enrichers read the environment, as in life, and topics and group from the job."""
    kind, job = arguments[0], Job.from_json(arguments[1])
    if kind != "native":
        hide_native()
    if kind in {"copy", "large-copy"}:
        use_fast_loop()
        asyncio.run(copy(job))
        return 0
    settings = load_settings(
        application_id=job.group,
        topic_raw=job.raw,
        topic_encrypted=job.encrypted,
        topic_dead_letter=job.dead_letter,
        compression=job.compression,
    )
    return run_enricher(
        settings,
        make_encryptor=CopyingEncryptor
        if kind == "stand-in"
        else library_encryptor("native" if kind == "native" else "python"),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
