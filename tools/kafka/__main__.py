"""`python -m tools.kafka`: a broker in the foreground, until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from tools.kafka.archive import make_archive
from tools.kafka.container import docker_answers
from tools.kafka.errors import KafkaUnavailableError
from tools.kafka.resolve import own_kafka

DEFAULT_PORT = 9092


def main() -> int:
    """Start the broker, print its address, wait for SIGINT or SIGTERM, clean up."""
    parser = argparse.ArgumentParser(prog="python -m tools.kafka", description="A real Kafka broker, gone on Ctrl-C.")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port for clients (default: %(default)s)")
    parser.add_argument("--fetch", action="store_true", help="only fetch the jars into the cache and start once")
    parser.add_argument("--engine", action="store_true", help="only tell by the exit code whether Docker answers")
    arguments = parser.parse_args()
    if arguments.engine:
        return 0 if docker_answers() else 1
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        if arguments.fetch:
            make_archive()
            return 0
        with own_kafka(port=arguments.port) as broker:
            print(f"Kafka serves at {broker.bootstrap}  (AEGIS_BROKER={broker.bootstrap}; Ctrl-C ends it)", flush=True)
            ended.wait()
    except KafkaUnavailableError as error:
        print(f"kafka: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
