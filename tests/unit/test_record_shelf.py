"""The shelf of DEK records that nothing speaks for yet."""

from __future__ import annotations

from aegis_stream.keyring.dek_record import MAX_RECORD_BYTES, record_sha256
from aegis_stream.keyring.shelf import RecordShelf

VERSION, OTHER = "dek-v1-20260301", "dek-v2-20260301"


def test_spare_values_stay_within_their_budget() -> None:
    """A flood of records under ever new versions takes no more memory than this."""
    shelf = RecordShelf(budget_bytes=1000)
    for number in range(1, 200):
        shelf.put(f"dek-v{number}-20260301", b"x" * 100)
    assert shelf._spare_bytes == 1000
    assert len(shelf._spare) == 10
    assert shelf._spare_bytes == sum(len(value) for values in shelf._spare.values() for _, value in values)


def test_budget_counts_values_that_were_pushed_out() -> None:
    """The count must not drift, or the shelf would empty itself in time."""
    shelf = RecordShelf(budget_bytes=10_000)
    for number in range(100):
        shelf.put(VERSION, b"x" * (number + 1))
    assert shelf._spare_bytes == 97 + 98 + 99 + 100


def test_oldest_versions_go_first() -> None:
    """What was written most recently is what the next manifest may name."""
    shelf = RecordShelf(budget_bytes=10)
    shelf.put(VERSION, b"12345")
    shelf.put(OTHER, b"12345")
    shelf.put(VERSION, b"6")
    shelf.name({VERSION: record_sha256(b"6"), OTHER: record_sha256(b"12345")})
    assert shelf.named(VERSION) == b"6"
    assert shelf.named(OTHER) is None


def test_values_that_are_too_large_are_let_go() -> None:
    """No DEK record has that size."""
    shelf = RecordShelf()
    assert shelf.put(VERSION, b"x" * (MAX_RECORD_BYTES + 1)) is False
    assert shelf._spare_bytes == 0


def test_named_value_is_reported_once() -> None:
    """Only a record that was missing changes what the keyring knows."""
    shelf = RecordShelf()
    shelf.name({VERSION: record_sha256(b"value")})
    assert shelf.named(VERSION) is None
    assert shelf.put(VERSION, b"value") is True
    assert shelf.put(VERSION, b"value") is False
    assert shelf.named(VERSION) == b"value"


def test_name_that_changes_takes_the_new_value() -> None:
    """A rewrapped record replaces the old one, which is not used any more."""
    shelf = RecordShelf()
    shelf.put(VERSION, b"old")
    shelf.name({VERSION: record_sha256(b"old")})
    shelf.put(VERSION, b"new")
    assert shelf.named(VERSION) == b"old"
    shelf.name({VERSION: record_sha256(b"new")})
    assert shelf.named(VERSION) == b"new"
    shelf.name({OTHER: record_sha256(b"new")})
    assert shelf.named(VERSION) is None
