"""What can go wrong before a broker answers."""

from __future__ import annotations


class KafkaUnavailableError(RuntimeError):
    """No Kafka can be had, or it did not come up; the message says what to install or where to look."""
