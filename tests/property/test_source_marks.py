"""The once-only rule, against any way in which an enricher may repeat itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aegis_stream.client.source_marks import SourceMarks, Verdict

lengths = st.integers(min_value=1, max_value=60)


@given(lengths, st.data())
def test_every_source_offset_is_delivered_once_and_in_order_whatever_is_repeated(
    length: int, data: st.DataObject
) -> None:
    """An enricher that dies anywhere goes back to some committed offset, any number of times: nobody may notice."""
    written: list[int] = []
    position = 0
    for _ in range(data.draw(st.integers(min_value=0, max_value=5))):
        reached = data.draw(st.integers(min_value=position, max_value=length))
        written += range(position, reached)
        position = data.draw(st.integers(min_value=0, max_value=reached))  # restarts from an earlier commit
    written += range(position, length)

    marks = SourceMarks()
    delivered = [offset for offset in written if marks.judge(0, f"raw/0/{offset}") is Verdict.DELIVER]

    assert delivered == list(range(length))


@given(lengths, st.data())
def test_a_reader_that_restarts_from_its_mark_goes_on_without_gap_or_repeat(length: int, data: st.DataObject) -> None:
    """The mark that is kept beside the committed offset must be all that a restarted reader needs."""
    back = data.draw(st.integers(min_value=0, max_value=length))
    written = [*range(length), *range(back, length + 5)]
    stop = data.draw(st.integers(min_value=0, max_value=len(written)))

    before = SourceMarks()
    delivered = [offset for offset in written[:stop] if before.judge(3, f"raw/3/{offset}") is Verdict.DELIVER]
    after = SourceMarks()
    after.restore(3, before.to_text(3))
    delivered += [offset for offset in written[stop:] if after.judge(3, f"raw/3/{offset}") is Verdict.DELIVER]

    assert delivered == list(range(length + 5))
