"""Free ports on this machine."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack

# Below the range from which Linux and macOS take ports for outgoing connections: a client that knocks while the broker
# is down could otherwise be given the broker's own port, connect to itself and keep the broker out.
LOWEST, HIGHEST = 20_000, 32_000


def free_ports(count: int) -> list[int]:
    """Return `count` different ports of 127.0.0.1 that nobody listens on now."""
    found: list[int] = []
    with ExitStack() as held:
        while len(found) < count:
            port = random.SystemRandom().randrange(LOWEST, HIGHEST)
            probe = held.enter_context(socket.socket())
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
    return found
