"""`aegis`, killed by SIGKILL once the broker has the n-th record that it writes.

`python -m tests.support.killed_command N …` runs the command `…`; one that writes fewer records ends by itself.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaProducer

from aegis_stream.cli import main

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def dying_at(number: int, real: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Return a `send` that ends the process with its n-th record."""
    sent = 0

    async def send(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - passed on
        nonlocal sent
        delivery = await real(*args, **kwargs)
        await delivery
        sent += 1
        if sent == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return delivery

    return send


if __name__ == "__main__":
    AIOKafkaProducer.send = dying_at(int(sys.argv[1]), AIOKafkaProducer.send)
    sys.exit(main(sys.argv[2:]))
