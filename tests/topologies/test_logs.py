"""Log lines: one JSON object each, with neither locals nor the texts of foreign errors."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from aiokafka.errors import CorruptRecordException, KafkaConnectionError

from aegis_stream.errors import ConfigurationError
from aegis_stream.settings import Settings
from topologies.logs import REPEAT_AFTER_S, Repeats, configure_logging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = "alice@example.com"


@pytest.fixture
def configured(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Callable[[], list[dict[str, Any]]]]]:
    """Configure logging as a process does; give back what was there before."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)

    def configure(**settings: Any) -> Callable[[], list[dict[str, Any]]]:  # noqa: ANN401 - any setting
        configure_logging(Settings(**settings))
        said = ""

        def lines() -> list[dict[str, Any]]:
            nonlocal said
            said += capsys.readouterr().err
            return [json.loads(line) for line in said.splitlines()]

        return lines

    yield configure
    logging.captureWarnings(capture=False)
    root.handlers[:], level = before
    root.setLevel(level)
    structlog.reset_defaults()


def test_our_lines_and_the_libraries_lines_have_one_form(configured: Callable[..., Any]) -> None:
    """Log collectors read them without rules for each library."""
    lines = configured()
    structlog.get_logger("topologies.test").info("began", partitions=4)
    logging.getLogger("aiokafka.x").warning("coordinator %s is dead", 3)
    ours, theirs = lines()
    assert (ours["event"], ours["partitions"], ours["level"], ours["logger"]) == ("began", 4, "info", "topologies.test")
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("coordinator 3 is dead", "warning", "aiokafka.x")
    assert "timestamp" in ours
    assert "timestamp" in theirs


def test_a_traceback_shows_places_and_no_text_of_the_error(configured: Callable[..., Any]) -> None:
    """A parser's error quotes its input, and a traceback's locals hold the event."""
    lines = configured()

    def parse(text: str) -> None:
        raise ValueError(f"unexpected {text}")

    for name in ("topologies.test", "faust.x"):
        try:
            parse(SECRET)
        except ValueError:
            logging.getLogger(name).exception("failed")
            structlog.get_logger(name).exception("failed")
    assert SECRET not in json.dumps(lines())
    assert all(line["error"] == "ValueError" for line in lines())
    assert all(line["places"][-1].endswith(" parse") for line in lines())


def test_an_error_among_the_arguments_is_shown_by_its_class(configured: Callable[..., Any]) -> None:
    """Faust logs `%r` of whatever was raised."""
    lines = configured()
    logging.getLogger("faust.x").error("crashed: %r %s", ValueError(SECRET), KeyError(SECRET))
    logging.getLogger("faust.x").error(ValueError(SECRET))
    assert [line["event"] for line in lines()] == ["crashed: ValueError KeyError", "ValueError"]


def test_errors_that_speak_of_brokers_and_settings_keep_their_text(configured: Callable[..., Any]) -> None:
    """Operators need it, and it quotes no event; a corrupt record's text does."""
    lines = configured()
    logging.getLogger("x").error("a: %s", KafkaConnectionError("Unable to bootstrap"))
    logging.getLogger("x").error("b: %s", ConfigurationError("AEGIS_BROKER is not set"))
    logging.getLogger("x").error("c: %s", CorruptRecordException(SECRET))
    assert [line["event"] for line in lines()] == [
        "a: KafkaConnectionError: KafkaConnectionError: Unable to bootstrap",
        "b: ConfigurationError: AEGIS_BROKER is not set",
        "c: CorruptRecordException",
    ]


def test_libraries_log_warnings_and_when_asked_for_more_no_more_than_info(configured: Callable[..., Any]) -> None:
    """Their INFO is about their own parts, and aiokafka's debug lines hold keys and values."""
    lines = configured()
    logging.getLogger("faust.x").info("starting")
    logging.getLogger("topologies.x").info("ours")
    assert [line["event"] for line in lines()] == ["ours"]
    lines = configured(log_level="debug")
    logging.getLogger("aiokafka.producer").debug("Sending (key=%s value=%s)", b"k", SECRET)
    logging.getLogger("faust.x").info("starting")
    logging.getLogger("topologies.x").debug("ours")
    assert [line["event"] for line in lines()] == ["starting", "ours"]


def test_a_library_that_says_the_same_many_times_a_second_is_heard_once(configured: Callable[..., Any]) -> None:
    """While a broker is away its clients fill disks otherwise; another line of theirs is still heard."""
    lines = configured()
    for number in range(100):
        logging.getLogger("aiokafka").error("Unable connect to node %s", number)
        logging.getLogger("topologies.x").warning("ours")
    logging.getLogger("aiokafka").error("another")
    said = [line["event"] for line in lines()]
    assert [line for line in said if line != "ours"] == ["Unable connect to node 0", "another"]
    assert said.count("ours") == 100


def test_a_line_is_heard_again_after_a_while() -> None:
    """An outage that lasts must not look over."""
    now = 0.0
    repeats = Repeats(["aiokafka"], clock=lambda: now)
    record = logging.LogRecord("aiokafka.conn", logging.ERROR, "conn.py", 7, "away", (), None)
    assert [repeats.filter(record), repeats.filter(record)] == [True, False]
    now = REPEAT_AFTER_S
    assert repeats.filter(record)


def test_the_least_level_is_kept_for_libraries_too(configured: Callable[..., Any]) -> None:
    """Whoever asks for errors only gets errors only."""
    lines = configured(log_level="error")
    logging.getLogger("faust.x").warning("w")
    structlog.get_logger("topologies.x").warning("w")
    logging.getLogger("faust.x").error("e")
    assert [line["event"] for line in lines()] == ["e"]


def test_console_lines_are_for_people(configured: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    """`make demo` and a terminal are easier to read without JSON."""
    configured(log_format="console")
    structlog.get_logger("topologies.x").info("began", partitions=4)
    text = capsys.readouterr().err
    assert "began" in text
    assert not text.startswith("{")
