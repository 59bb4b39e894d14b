"""The places where a KEK can be kept, one after the other."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.custody import (
    Custody,
    EnvironmentCustody,
    HsmCustody,
    KmsCustody,
    MemoryCustody,
    WrappedCustody,
)

if TYPE_CHECKING:
    from tests.support.moto_kms import MotoKms
    from tests.support.softhsm import SoftHsm

VENDORS = [pytest.param("kms", marks=pytest.mark.kms), pytest.param("hsm", marks=pytest.mark.hsm)]


@pytest.fixture(scope="session")
def hsm_custody(softhsm: SoftHsm) -> HsmCustody:
    """Return a SoftHSM2 token with its wrapping keys."""
    return HsmCustody(softhsm.token("contract"))


@pytest.fixture(scope="session")
def _moto_custody(moto_kms: MotoKms) -> KmsCustody:
    """Return two keys of moto."""
    return KmsCustody(moto_kms.create_key(), moto_kms.create_key())


@pytest.fixture
def kms_custody(_moto_custody: KmsCustody, moto_endpoint: MotoKms) -> KmsCustody:
    """Return the two keys of moto, with the environment pointing there."""
    del moto_endpoint
    return _moto_custody


@pytest.fixture(params=[*VENDORS, "environment", "in_memory", "wrapped"])
def custody(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Custody:
    """Return each place in turn, in an environment without AEGIS_ variables."""
    for name in [name for name in os.environ if name.startswith("AEGIS_")]:
        monkeypatch.delenv(name)
    if request.param in {"kms", "hsm"}:
        place: Custody = request.getfixturevalue(f"{request.param}_custody")
        return place
    return {"environment": EnvironmentCustody, "in_memory": MemoryCustody, "wrapped": WrappedCustody}[request.param]()


@pytest.fixture(
    params=[pytest.param("kms", marks=pytest.mark.kms), pytest.param("hsm", marks=pytest.mark.hsm), "environment"]
)
def configurable(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Custody:
    """Return each place that variables can describe, in an environment without AEGIS_ variables."""
    for name in [name for name in os.environ if name.startswith("AEGIS_")]:
        monkeypatch.delenv(name)
    if request.param == "environment":
        return EnvironmentCustody()
    place: Custody = request.getfixturevalue(f"{request.param}_custody")
    return place
