"""The benchmarks in a tiny form: that they run and measure what they say, never how long anything takes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest

from aegis_stream.encryption.engine import NATIVE_VERSION, find_native
from benchmarks import __main__ as command
from benchmarks import csfle, enricher, memory
from benchmarks.engines import NATIVE, hide_native
from benchmarks.outcome import Outcome, Paired, Took
from benchmarks.passage import Passage
from benchmarks.peer import Peer, PeerMissingError, csfle_peer
from benchmarks.report import as_json, table
from benchmarks.resident import MIB, resident_bytes
from benchmarks.rounds import paired

HIDING = Peer("a stand-in", lambda event: orjson.dumps(event)[::-1], lambda value: orjson.loads(value[::-1]))


def test_paired_rounds_give_both_sides_the_same_work_in_turn() -> None:
    """A side that always went second would always find the warmer or the busier machine."""
    turns: list[str] = []

    def side(name: str) -> Any:  # noqa: ANN401 - a preparation, which returns the work
        return lambda: lambda: turns.append(name)

    measured = paired(side("ours"), side("peer"), events=1, rounds=2)
    assert turns == ["peer", "ours", "ours", "peer", "peer", "ours"]
    assert len(measured.ours) == len(measured.peer) == 2


@pytest.mark.parametrize(("target", "holds"), [(2.9, True), (3.0, True), (3.1, False), (None, True)])
def test_target_is_judged_by_the_median_ratio(target: float | None, holds: bool) -> None:  # noqa: FBT001 - a table
    """One disturbed round must neither make nor break a figure."""
    measured = Paired(
        events=1_000, ours=[Took(1.0, 9.0)] * 3, peer=[Took(seconds, 9.0) for seconds in (3.0, 0.1, 90.0)]
    )
    outcome = measured.outcome("protect", "against a peer", at_least=target)
    assert outcome.holds is holds
    assert outcome.headline == "3.00 x"
    assert outcome.figures["ours_cpu_us_per_event"] == 1_000
    assert outcome.figures["wall_ratio_median"] == 1.0


def test_both_sides_are_compared_on_the_same_events() -> None:
    """The comparison runs against whatever takes an event and gives it back."""
    outcomes = list(csfle.compare(csfle.PYTHON._replace(open_at_least=None), HIDING, events=3, rounds=2))
    assert [outcome.benchmark for outcome in outcomes] == ["protect", "open"]
    assert [outcome.target for outcome in outcomes] == ["at least 6 x", ""]


@pytest.mark.parametrize(
    ("peer", "message"),
    [
        (Peer("one that loses", orjson.dumps, lambda _: {}), "as they were"),
        (Peer("one that shows", orjson.dumps, orjson.loads), "does not encrypt"),
    ],
)
def test_peer_that_does_less_is_no_peer(peer: Peer, message: str) -> None:
    """A ratio against something that does not do the work would flatter us or them."""
    with pytest.raises(RuntimeError, match=message):
        list(csfle.compare(csfle.PYTHON, peer, events=3, rounds=1))


def test_confluent_peer_works_or_names_what_is_missing() -> None:
    """It is in an extra of its own: whoever lacks it must learn which, whoever has it must get a comparison."""
    missing = ""
    try:
        peer = csfle_peer()
    except PeerMissingError as error:
        missing = str(error)
    if missing:
        assert "aegis-stream[bench]" in missing
    else:
        assert len(list(csfle.compare(csfle.PYTHON, peer, events=2, rounds=1))) == 2


def test_benchmark_without_its_peer_says_which_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An ImportError with a traceback would not tell the remedy."""
    monkeypatch.setitem(sys.modules, "confluent_kafka.schema_registry", None)
    assert command.main(["csfle"]) == 2
    assert "aegis-stream[bench]" in capsys.readouterr().err


def test_figures_of_pure_python_are_of_pure_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed native engine is taken silently by `auto`: its figure would look like a threefold gain of ours."""
    native = ModuleType(NATIVE)  # whoever asked it for anything would fail
    monkeypatch.setattr(native, "__version__", NATIVE_VERSION, raising=False)
    monkeypatch.setitem(sys.modules, NATIVE, native)
    assert find_native().module is native
    outcomes = list(csfle.compare(csfle.PYTHON, HIDING, events=2, rounds=1))
    assert all(outcome.subject.startswith("pure Python") for outcome in outcomes)


def test_worker_processes_find_no_native_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are given no engine, as the topologies choose it, so there must be none to choose."""
    monkeypatch.setitem(sys.modules, NATIVE, ModuleType(NATIVE))
    hide_native()
    assert find_native().module is None


@pytest.mark.parametrize(("paces", "holds"), [([(100, 25)] * 3, True), ([(100, 25), (100, 20), (100, 900)], False)])
def test_disturbed_rounds_are_judged_by_the_worst(paces: list[tuple[int, int]], holds: bool) -> None:  # noqa: FBT001
    """A busy machine once gave ratios from 0.17 to 0.62, and a median that passed."""
    ours = [Passage(us_per_event=slow, cpu_us_per_event=slow, bytes_out=0) for slow, _ in paces]
    copy = [Passage(us_per_event=quick, cpu_us_per_event=quick, bytes_out=0) for _, quick in paces]
    assert enricher.share(ours, copy, "an enricher", 0.22, 1_000).holds is holds


def test_memory_is_measured_after_each_count() -> None:
    """Growth between two sizes of one process is the figure; both must be there."""
    outcome = memory.growth((500, 1_000))
    assert set(outcome.figures) == {"growth", "mib_after_500", "mib_after_1000"}
    assert resident_bytes() > MIB


def test_each_event_of_the_memory_benchmark_has_a_path_of_its_own() -> None:
    """Caches by path are what could grow for ever."""
    batches = memory._batches()
    events = [orjson.loads(raw) for raw in next(batches) + next(batches)]
    assert len({name for event in events for name in event if name.startswith("case-")}) == len(events)


def test_command_prints_the_table_beside_the_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Standard output is for machines, so that it can be kept; people read standard error."""
    outcome = Outcome("protect", "against a peer", "7.00 x", "at least 6 x", holds=True, figures={"ratio_median": 7.0})
    monkeypatch.setitem(command.BENCHMARKS, "csfle", lambda *, short: iter([outcome] if short else []))
    assert command.main(["csfle", "--short"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["results"][0]["figures"] == {"ratio_median": 7.0}
    assert "at least 6 x" in printed.err


def test_missed_target_is_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build that runs the benchmarks must notice."""
    outcome = Outcome("protect", "against a peer", "5.00 x", "at least 6 x", holds=False)
    monkeypatch.setitem(command.BENCHMARKS, "csfle", lambda *, short: iter([outcome][: 2 - short]))
    assert command.main(["csfle"]) == 1


def test_report_names_the_machine_and_no_path() -> None:
    """Figures are published: the kind of machine belongs to them, where the project lies does not."""
    outcome = Outcome("memory", "a process", "+1.0%", "", holds=True)
    document = as_json([outcome])
    about = json.loads(document)["machine"]
    assert about["cores"] > 0
    assert about["packages"]["orjson"]
    assert str(Path.cwd()) not in document
    assert table([outcome]).row_count == 1


def test_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt name must not look like a run without figures."""
    with pytest.raises(SystemExit):
        command.main(["csfl"])
    assert "csfl" in capsys.readouterr().err
