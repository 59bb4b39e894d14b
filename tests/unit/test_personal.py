"""What looks personal: the hint of `aegis classify`."""

from __future__ import annotations

import pytest

from aegis_stream.cli._personal import Looks, looks_personal


@pytest.mark.parametrize(
    ("text", "looks"),
    [
        ("write to mara.lindqvist+x@risk.example.org today", Looks.EMAIL),
        ("+49 170 1234567", Looks.PHONE),
        ("call 0049-30-901820", Looks.PHONE),
        ("(030) 90 18 20-0", Looks.PHONE),
        ("+1 (415) 555-0132", Looks.PHONE),
        ("from 192.0.2.17, port 80", Looks.IP),
        ("2001:db8::17", Looks.IP),
        ("DE89 3704 0044 0532 0130 00", Looks.IBAN),
        ("GB82WEST12345698765432", Looks.IBAN),
        ("to NO93 8601 1117 947 by Friday", Looks.IBAN),
    ],
)
def test_personal_data_is_recognised(text: str, looks: Looks) -> None:
    """Also within a sentence, and in the usual ways of writing it."""
    assert looks_personal(text) == (looks,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "approved",
        "user@host",
        "@mention and a@b",
        "2026-01-05T08:00:17.521Z",
        "12:30:45",
        "evt-7c240d4969d495dd",
        "wf-2026-00004-f06c",
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "0.6",
        "1234567890123456",
        "999.1.2.3",
        "0.0.0.0",  # noqa: S104 - a text
        "DE88 3704 0044 0532 0130 00",
        "GB82WEST12345698765433",
        "version 4.3.1",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "S0u+iWUaDHQbJsgCmkdNZd8qF9Z0BbNW9JPoKyNDCkI9SFx8tqI/BoxxBsseBH2lTHXB7njLq2pOle/5exQTkg==",
    ],
)
def test_ids_times_and_numbers_are_left_alone(text: str) -> None:
    """A warning that is wrong every time is not read any more."""
    assert looks_personal(text) == ()


def test_a_long_text_takes_no_long_time() -> None:
    """Somebody else chooses the values."""
    for piece in ("a@", "1.1.1.", "+1 2", "AA00 ", "0:", "(0"):
        looks_personal(piece * 200_000)
