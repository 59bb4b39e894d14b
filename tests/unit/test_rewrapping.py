"""A DEK's way from one KEK to the next: nothing is believed that was not tried."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aegis_stream.control.rewrapping import open_deks, opens, rewrap_dek
from aegis_stream.errors import KEKError, KeyRefusedError
from aegis_stream.hybrid import HybridKEM
from aegis_stream.keyring.dek_record import DekRecord
from aegis_stream.keyring.entries import DekState
from aegis_stream.wire import DekVersion
from tests.support.keyrings import KEK_PAIR, MINUTE, NOW, OTHER_KEK_PAIR, Deployment, PlainKek

if TYPE_CHECKING:
    from aegis_stream.hybrid import HybridKeypair

VERSION = DekVersion.parse("dek-v1-20260301")


def record(*pairs: HybridKeypair) -> DekRecord:
    """Make a DEK under some KEKs."""
    return DekRecord.generate(VERSION, [pair.public for pair in pairs])


def test_key_is_wrapped_anew_and_opens_the_same() -> None:
    """Both wraps hold one key: what was written before and after the move is readable with either KEK."""
    made = record(KEK_PAIR)
    old, new = PlainKek(), PlainKek(OTHER_KEK_PAIR)
    wrapped = rewrap_dek(made, held=[old], new=new)
    assert wrapped is not None
    both = replace(made, wraps={**made.wraps, new.kek_id: wrapped})
    assert opens(both, new)
    assert opens(both, old)
    assert rewrap_dek(both, held=[old], new=new) is None


def test_damaged_wrap_is_made_again() -> None:
    """A wrap that is there and does not open is none: a second run puts it right."""
    made = record(KEK_PAIR, OTHER_KEK_PAIR)
    new = PlainKek(OTHER_KEK_PAIR)
    spoilt = bytes(reversed(made.wraps[new.kek_id]))
    wrapped = rewrap_dek(replace(made, wraps={**made.wraps, new.kek_id: spoilt}), held=[PlainKek()], new=new)
    assert wrapped is not None
    assert opens(replace(made, wraps={new.kek_id: wrapped}), new)


def test_new_kek_that_does_not_open_is_found_before_anything_counts() -> None:
    """Its public key is of another pair: every DEK would be lost with the old KEK."""

    class Mixed(PlainKek):
        def get_public_key(self) -> bytes:
            return HybridKEM.generate_keypair().public

    with pytest.raises(KEKError, match="does not open"):
        rewrap_dek(record(KEK_PAIR), held=[PlainKek()], new=Mixed(OTHER_KEK_PAIR))


def test_old_kek_must_open_it() -> None:
    """A KEK that it hangs on must be there, and its wrap must be sound."""
    third = HybridKEM.generate_keypair()
    with pytest.raises(KEKError, match="this process holds"):
        rewrap_dek(record(third), held=[PlainKek()], new=PlainKek(OTHER_KEK_PAIR))
    made = record(KEK_PAIR)
    spoilt = replace(made, wraps={name: bytes(reversed(wrap)) for name, wrap in made.wraps.items()})
    with pytest.raises(KeyRefusedError):
        rewrap_dek(spoilt, held=[PlainKek()], new=PlainKek(OTHER_KEK_PAIR))


def test_destroyed_deks_are_left_out_and_lost_ones_are_told() -> None:
    """Nothing of a destroyed DEK is to be wrapped; a record that was not read is no reason to go on without it."""
    deployment = Deployment()
    deployment.rotate(NOW + MINUTE)
    first = deployment.manifest.deks[0].version.text
    assert open_deks(deployment.manifest, deployment.records)[0].version.text == first
    lost = {version: each for version, each in deployment.records.items() if version != first}
    with pytest.raises(KEKError, match=first):
        open_deks(deployment.manifest, lost)
    deployment.set_state(first, DekState.DESTROYED, NOW + 2 * MINUTE)
    assert [each.version.text for each in open_deks(deployment.manifest, lost)] == [deployment.active]
