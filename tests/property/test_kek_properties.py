"""Whatever stands in variables, files and answers gives a provider or an error of ours, never a foreign one."""

from __future__ import annotations

import json
import os
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import boto3.session
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegis_stream.errors import AegisError, KEKError
from aegis_stream.hybrid import HybridKEM, HybridKeypair
from aegis_stream.kek import EnvironmentKEKProvider, InMemoryKEKProvider, get_kek_provider
from aegis_stream.kek import variables as v
from aegis_stream.kek.aws_kms import KMSWrappingKey
from aegis_stream.wire import b64encode
from tests.support.kms_endpoint import REGION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.kms_endpoint import KmsEndpoint

PAIR = HybridKEM.generate_keypair()
NAMES = [f"AEGIS_{value}" for name, value in sorted(vars(v).items()) if name.startswith(("KMS_", "HSM_", "MASTER_"))]

# What os.environ can hold: no NUL; bytes outside UTF-8 come as surrogates.
texts = st.one_of(
    st.text(st.characters(exclude_characters="\0"), max_size=60),
    st.binary(max_size=60).map(b64encode),
    st.sampled_from([b64encode(PAIR.private), b64encode(PAIR.public), "\udcff", "0", "{}", "/dev/null"]),
)
environments = st.dictionaries(
    st.sampled_from([*NAMES, *(f"{name}_FILE" for name in NAMES), "AEGIS_ENVIRONMENT"]), texts, max_size=8
)


@given(environments)
def test_any_environment_gives_a_provider_or_an_error_of_ours(environ: dict[str, str]) -> None:
    """Deployment files are written by hand."""
    with suppress(AegisError):
        assert get_kek_provider(environ=environ, defer=True).kek_id.startswith("kek-")


@given(st.binary(max_size=3000), st.binary(max_size=1300))
def test_any_bytes_for_a_keypair_are_refused_by_an_error_of_ours(private: bytes, public: bytes) -> None:
    """Keys come from files that anything may have been written to."""
    with pytest.raises(AegisError):
        InMemoryKEKProvider(keypair=HybridKeypair(private, public), environ={})


@given(st.integers(0, 2431), st.integers(1, 255))
def test_any_changed_byte_of_a_private_key_is_refused_or_harmless(place: int, change: int) -> None:
    """One flipped bit on a disk: either it is found at the start, or the key still decapsulates rightly."""
    damaged = bytearray(PAIR.private)
    damaged[place] ^= change
    environ = {
        "AEGIS_MASTER_KEK_PRIVATE": b64encode(bytes(damaged)),
        "AEGIS_MASTER_KEK_PUBLIC": b64encode(PAIR.public),
    }
    try:
        provider = EnvironmentKEKProvider(environ=environ)
    except AegisError:
        return
    probe = HybridKEM.encapsulate(PAIR.public)
    assert provider.decapsulate(probe.encapsulation) == probe.shared_secret


@pytest.fixture(scope="module")
def endpoint() -> Iterator[KmsEndpoint]:
    """Yield a KMS that answers as told."""
    from tests.support.kms_endpoint import KmsEndpoint  # noqa: PLC0415 - beside its type

    with KmsEndpoint() as started:
        yield started


@pytest.fixture(scope="module")
def key(endpoint: KmsEndpoint) -> Iterator[KMSWrappingKey]:
    """Yield a key there, with one client for all examples."""
    session = boto3.session.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name=REGION)
    with closing(session.client("kms", endpoint_url=endpoint.url)) as client:
        yield KMSWrappingKey(endpoint.create_key(), client=client)


answers = st.one_of(
    st.binary(max_size=200),
    st.dictionaries(
        st.sampled_from(["KeyId", "Plaintext", "__type", "message", "x"]),
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20), st.lists(st.integers(), max_size=2)),
    ).map(lambda value: json.dumps(value).encode()),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(body=answers)
def test_any_answer_of_an_endpoint_is_no_key(endpoint: KmsEndpoint, key: KMSWrappingKey, body: bytes) -> None:
    """Whatever stands at the address may answer: proxies, captive portals, another service."""
    endpoint.body = body
    with pytest.raises(KEKError) as caught:
        key.unwrap(os.urandom(100), context={})
    assert caught.value.remedy
