"""Fixtures for the places where a KEK is kept; a session has one SoftHSM and one moto at most."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import pytest

from aegis_stream.hybrid import HybridKEM, HybridKeypair
from tests.support.hsm_tokens import wrapping_key
from tests.support.kms_endpoint import KmsEndpoint
from tests.support.kryoptic import BUILT, Kryoptic
from tests.support.moto_kms import CREDENTIALS, MotoKms
from tests.support.softhsm import SoftHsm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aegis_stream.kek.hsm_key import HsmWrappingKey
    from tests.support.softhsm import HsmToken

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHsm]:
    """SoftHSM2 with its tokens in a temporary folder; without the library it fails and says what to install."""
    before = os.environ.get("SOFTHSM2_CONF")
    yield SoftHsm(tmp_path_factory.mktemp("softhsm"))
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


@pytest.fixture(scope="session")
def kryoptic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kryoptic]:
    """Yield kryoptic, where it was built; tests ask BUILT first."""
    yield Kryoptic(tmp_path_factory.mktemp("kryoptic"))
    del os.environ["KRYOPTIC_CONF"]


@pytest.fixture(params=["softhsm", *(["kryoptic"] if BUILT else [])])
def hsm_token(request: pytest.FixtureRequest) -> HsmToken:
    """Return a fresh token, of each library that is there: SoftHSM2 always, kryoptic after `make kryoptic`."""
    made: HsmToken = request.getfixturevalue(request.param).token(f"token {next(_numbers)}")
    return made


@pytest.fixture
def wrapping(hsm_token: HsmToken) -> Iterator[HsmWrappingKey]:
    """Yield a wrapping key that was made in the token."""
    with wrapping_key(hsm_token) as made:
        made.make()
        yield made


@pytest.fixture(scope="session")
def moto_kms() -> Iterator[MotoKms]:
    """Yield a moto server in a process of its own."""
    with MotoKms() as server:
        yield server


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Set AWS credentials that mean nothing, and hide those of the machine; returns the monkeypatch."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


@pytest.fixture
def moto_endpoint(aws: pytest.MonkeyPatch, moto_kms: MotoKms) -> MotoKms:
    """Point the environment at moto."""
    aws.setenv("AWS_ENDPOINT_URL_KMS", moto_kms.url)
    return moto_kms


@pytest.fixture
def kms_endpoint(aws: pytest.MonkeyPatch) -> Iterator[KmsEndpoint]:
    """Point the environment at a KMS that fails as told."""
    with KmsEndpoint() as endpoint:
        aws.setenv("AWS_ENDPOINT_URL_KMS", endpoint.url)
        yield endpoint


@pytest.fixture(scope="session")
def kek_pair() -> HybridKeypair:
    """Return a KEK's keypair; making one is quick, but every test of a session may share it."""
    return HybridKEM.generate_keypair()
