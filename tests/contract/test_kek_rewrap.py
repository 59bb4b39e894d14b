"""From any KEK provider to any: a DEK wrapped under the one is opened by the other after a rewrap."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from aegis_stream.control.rewrapping import opens, rewrap_dek
from aegis_stream.hybrid import HybridKEM
from aegis_stream.keyring.dek_record import DekRecord
from aegis_stream.wire import DekVersion
from tests.support.custody import Custody, EnvironmentCustody, HsmCustody, KmsCustody, MemoryCustody

if TYPE_CHECKING:
    from aegis_stream.kek import KEKProvider


@pytest.mark.kms
@pytest.mark.hsm
def test_every_pair_of_places(
    kms_custody: KmsCustody, hsm_custody: HsmCustody, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Environment, memory, KMS and HSM, each to each, there and back."""
    for name in [name for name in os.environ if name.startswith("AEGIS_")]:
        monkeypatch.delenv(name)
    places: list[Custody] = [EnvironmentCustody(), MemoryCustody(), kms_custody, hsm_custody]
    loaded: list[tuple[KEKProvider, DekRecord]] = []
    for place in places:
        pair = HybridKEM.generate_keypair()
        made = DekRecord.generate(DekVersion.parse("dek-v1-20260301"), [pair.public])
        loaded.append((place.load(place.blob(pair), pair.public), made))
    for (old, made), (new, _) in permutations(loaded, 2):
        wrapped = rewrap_dek(made, held=[old], new=new)
        assert wrapped is not None, (old.name, new.name)
        assert opens(replace(made, wraps={new.kek_id: wrapped}), new), (old.name, new.name)
