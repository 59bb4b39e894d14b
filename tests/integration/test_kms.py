"""The KMS provider over HTTP, against moto and against an endpoint that fails as told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import boto3.session
import pytest
from botocore.config import Config

from aegis_stream.errors import AegisError, KEKError, KEKReason, KeyReason
from aegis_stream.hybrid import HybridKEM, HybridKeypair
from aegis_stream.kek import AWSKMSKEKProvider, KEKProvider, check_kek, get_kek_provider, wait_for_kek
from aegis_stream.kek.aws_kms import KMSWrappingKey
from aegis_stream.kek.kms_context import context_of
from aegis_stream.kek.retry import Backoff
from aegis_stream.kek.secret import Secret
from aegis_stream.wire import b64encode, kek_id
from tests.support.kms_endpoint import PLAINTEXT_MOST_BYTES, REGION, Fault, KmsEndpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from types_boto3_kms import KMSClient

    from tests.support.moto_kms import MotoKms

pytestmark = pytest.mark.kms


class Deployment:
    """A key at an endpoint, and a keypair wrapped under it."""

    def __init__(self, pair: HybridKeypair, arn: str) -> None:
        """Wrap the keypair."""
        self.pair = pair
        self.arn = arn
        self.context = context_of(kek_id(pair.public), None)
        with KMSWrappingKey(arn) as key:
            self.wrapped = key.wrap(Secret(pair.private), context=self.context)

    def load(self, **changes: Any) -> AWSKMSKEKProvider:  # noqa: ANN401 - any argument of the provider
        """Load the provider by explicit parameters."""
        arguments = {
            "kms_key_id": self.arn,
            "wrapped_private_key": self.wrapped,
            "public_key_bytes": self.pair.public,
        }
        return AWSKMSKEKProvider(**arguments | changes)

    def refusal(self, **changes: Any) -> AegisError:  # noqa: ANN401 - the same
        """Return the error of loading."""
        with pytest.raises(AegisError) as caught:
            self.load(**changes)
        return caught.value


@pytest.fixture
def deployment(kms_endpoint: KmsEndpoint, kek_pair: HybridKeypair) -> Deployment:
    """Return a keypair under a key of the endpoint that fails as told."""
    made = Deployment(kek_pair, kms_endpoint.create_key())
    kms_endpoint.requests.clear()
    return made


@pytest.fixture
def hasty_client(kms_endpoint: KmsEndpoint) -> Iterator[KMSClient]:
    """Yield an injected client with time-outs that a test can wait for."""
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=0.3, read_timeout=0.3)
    session = boto3.session.Session()
    with closing(session.client("kms", endpoint_url=kms_endpoint.url, region_name=REGION, config=config)) as client:
        yield client


@pytest.mark.parametrize(
    ("fault", "reason", "retryable", "requests"),
    [
        (Fault.THROTTLED, KEKReason.THROTTLED, True, 3),
        (Fault.INTERNAL, KEKReason.UNAVAILABLE, True, 3),
        (Fault.UNAVAILABLE, KEKReason.UNAVAILABLE, True, 3),
        (Fault.KEY_UNAVAILABLE, KEKReason.UNAVAILABLE, True, 3),
        (Fault.RESET, KEKReason.UNAVAILABLE, True, 3),
        (Fault.GARBAGE, KEKReason.UNAVAILABLE, True, 1),
        (Fault.GARBAGE_JSON, KEKReason.UNAVAILABLE, True, 1),
        (Fault.GARBAGE_BASE64, KEKReason.UNAVAILABLE, True, 1),
        (Fault.PORTAL, KEKReason.UNAVAILABLE, True, 1),
        (Fault.PROXY_REFUSES, KEKReason.UNAVAILABLE, True, 1),
        (Fault.NOT_FOUND, KEKReason.UNAVAILABLE, True, 1),
        (Fault.PROXY_BUSY, KEKReason.THROTTLED, True, 3),
        (Fault.DENIED, KEKReason.DENIED, False, 1),
        (Fault.EXPIRED, KEKReason.BAD_CREDENTIALS, False, 1),
        (Fault.UNKNOWN_CLIENT, KEKReason.BAD_CREDENTIALS, False, 1),
        (Fault.BAD_SIGNATURE, KEKReason.BAD_CREDENTIALS, False, 1),
        (Fault.UNHEARD_OF, KEKReason.DENIED, False, 1),
        (Fault.SHORT_KEY, KeyReason.LENGTH, False, 1),
        (Fault.RANDOM_KEY, KeyReason.INCONSISTENT, False, 1),
    ],
    ids=lambda value: value.name.lower() if isinstance(value, Fault) else "",
)
def test_fault_gives_a_clear_error(  # noqa: PLR0913 - a table of four columns
    deployment: Deployment,
    kms_endpoint: KmsEndpoint,
    fault: Fault,
    reason: str,
    *,
    retryable: bool,
    requests: int,
) -> None:
    """Each failure says whether waiting helps and what to change, after as many requests as may help."""
    kms_endpoint.fault = fault
    error = deployment.refusal()
    assert (error.reason, error.retryable) == (reason, retryable)
    assert error.remedy
    assert kms_endpoint.requests == ["Decrypt"] * requests


def test_slow_kms_counts_as_away(deployment: Deployment, kms_endpoint: KmsEndpoint, hasty_client: KMSClient) -> None:
    """A start that hangs looks like one that works."""
    kms_endpoint.fault = Fault.SLOW
    kms_endpoint.slow_s = 60.0
    error = deployment.refusal(client=hasty_client)
    assert (error.reason, error.retryable) == (KEKReason.UNAVAILABLE, True)
    assert (kms_endpoint.requests, kms_endpoint.slept) == (["Decrypt"], 0)


def test_stopped_endpoint_counts_as_away(deployment: Deployment, kms_endpoint: KmsEndpoint) -> None:
    """Waiting helps, so the error says so."""
    kms_endpoint.stop()
    error = deployment.refusal()
    assert (error.reason, error.retryable) == (KEKReason.UNAVAILABLE, True)


def test_short_trouble_is_bridged(deployment: Deployment, kms_endpoint: KmsEndpoint) -> None:
    """Two failures of three attempts are nothing an operator should hear of."""
    kms_endpoint.faults = [Fault.INTERNAL, Fault.RESET, None]
    check_kek(deployment.load())
    assert kms_endpoint.requests == ["Decrypt"] * 3


@pytest.mark.parametrize("state", ["Disabled", "PendingDeletion"])
def test_key_that_cannot_be_used_says_how_to_enable_it(
    deployment: Deployment, kms_endpoint: KmsEndpoint, state: str
) -> None:
    """A key pending deletion is a countdown to losing everything."""
    kms_endpoint.set_state(deployment.arn, state)
    error = deployment.refusal()
    assert (error.reason, error.retryable) == (KEKReason.DISABLED, False)
    assert ("cancel-key-deletion" in error.remedy) == (state == "PendingDeletion")


def test_private_key_is_within_what_kms_encrypts_directly(deployment: Deployment) -> None:
    """2,432 bytes of at most 4,096: no data key is needed."""
    assert len(deployment.pair.private) == 2432
    with KMSWrappingKey(deployment.arn) as key:
        most = Secret(bytes(PLAINTEXT_MOST_BYTES))
        assert key.unwrap(key.wrap(most, context={}), context={}).reveal() == most.reveal()
        with pytest.raises(KEKError):
            key.wrap(Secret(bytes(PLAINTEXT_MOST_BYTES + 1)), context={})


def test_another_key_of_the_account_opens_nothing(deployment: Deployment, kms_endpoint: KmsEndpoint) -> None:
    """KeyId is given on Decrypt, so a blob cannot choose the key that opens it."""
    assert deployment.refusal(kms_key_id=kms_endpoint.create_key()).reason == KEKReason.WRONG_KEY
    unknown = deployment.arn.rpartition("/")[0] + "/00000000-0000-4000-8000-000000000000"
    assert deployment.refusal(kms_key_id=unknown).reason == KEKReason.WRONG_KEY


def test_ciphertext_opens_with_its_own_public_key_only(deployment: Deployment) -> None:
    """The encryption context binds the KEK id: KMS itself refuses a public key that was swapped."""
    error = deployment.refusal(public_key_bytes=HybridKEM.generate_keypair().public)
    assert error.reason == KEKReason.BAD_BLOB


def test_added_encryption_context_binds_as_well(deployment: Deployment) -> None:
    """An IAM policy may ask for a context of its own."""
    more = {"deployment": "payments"}
    context = context_of(kek_id(deployment.pair.public), more)
    with KMSWrappingKey(deployment.arn) as key:
        wrapped = key.wrap(Secret(deployment.pair.private), context=context)
    check_kek(deployment.load(wrapped_private_key=wrapped, encryption_context=more))
    assert deployment.refusal(wrapped_private_key=wrapped).reason == KEKReason.BAD_BLOB
    check_kek(
        get_kek_provider(
            environ={
                "AEGIS_KMS_KEY_ID": deployment.arn,
                "AEGIS_KMS_WRAPPED_PRIVATE_KEY": b64encode(wrapped),
                "AEGIS_MASTER_KEK_PUBLIC": b64encode(deployment.pair.public),
                "AEGIS_KMS_ENCRYPTION_CONTEXT": '{"deployment": "payments"}',
            }
        )
    )


@pytest.mark.parametrize("text", ["not json", "[]", '{"a": 1}', '"x"', '{"aegis-kek-id": "x"}'])
def test_malformed_encryption_context_is_refused(deployment: Deployment, text: str) -> None:
    """It must not be taken for none."""
    environ = {
        "AEGIS_KMS_KEY_ID": deployment.arn,
        "AEGIS_KMS_WRAPPED_PRIVATE_KEY": b64encode(deployment.wrapped),
        "AEGIS_MASTER_KEK_PUBLIC": b64encode(deployment.pair.public),
        "AEGIS_KMS_ENCRYPTION_CONTEXT": text,
    }
    with pytest.raises(AegisError) as caught:
        get_kek_provider(environ=environ)
    assert caught.value.reason == "configuration"


def test_kms_is_asked_once_for_all_threads(deployment: Deployment, kms_endpoint: KmsEndpoint) -> None:
    """A worker with many partitions must not send a request for each at a restart."""
    kms_endpoint.fault = Fault.SLOW
    kms_endpoint.slow_s = 0.2
    provider = deployment.load(defer=True)
    assert kms_endpoint.requests == []
    probe = HybridKEM.encapsulate(deployment.pair.public)
    with ThreadPoolExecutor(8) as pool:
        secrets = list(pool.map(provider.decapsulate, [probe.encapsulation] * 32))
    assert set(secrets) == {probe.shared_secret}
    assert kms_endpoint.requests == ["Decrypt"]


def test_failure_is_not_remembered(deployment: Deployment, kms_endpoint: KmsEndpoint) -> None:
    """The next call asks again: the trouble may be over."""
    provider = deployment.load(defer=True)
    kms_endpoint.fault = Fault.DENIED
    with pytest.raises(KEKError):
        provider.load()
    assert not provider.loaded
    kms_endpoint.fault = None
    provider.load()
    assert provider.loaded


def test_loaded_provider_needs_no_kms(deployment: Deployment, kms_endpoint: KmsEndpoint) -> None:
    """KMS may be away for hours afterwards."""
    provider = deployment.load()
    kms_endpoint.stop()
    for _ in range(3):
        check_kek(provider)
    assert kms_endpoint.requests == ["Decrypt"]


async def test_start_waits_for_kms(deployment: Deployment, kms_endpoint: KmsEndpoint) -> None:
    """A reader that starts first must go on by itself when KMS is back, and hear meanwhile why it waits."""
    kms_endpoint.stop()
    heard: list[str] = []

    def on_wait(error: KEKError) -> None:
        heard.append(error.reason)
        if len(heard) == 2:
            kms_endpoint.start()

    provider: KEKProvider = await wait_for_kek(deployment.load, backoff=Backoff(0.01, 0.05), on_wait=on_wait)
    check_kek(provider)
    assert heard == [KEKReason.UNAVAILABLE] * 2


async def test_start_does_not_wait_for_what_no_waiting_mends(deployment: Deployment, kms_endpoint: KmsEndpoint) -> None:
    """A missing permission must end the process, so that somebody sees it."""
    kms_endpoint.fault = Fault.DENIED
    with pytest.raises(KEKError) as caught:
        await wait_for_kek(deployment.load, backoff=Backoff(60))
    assert caught.value.reason == KEKReason.DENIED


def test_moto_serves_the_guides_snippet(
    moto_endpoint: MotoKms, kek_pair: HybridKeypair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another implementation of KMS, in its own process: the guide's variables and its two calls."""
    made = Deployment(kek_pair, moto_endpoint.create_key())
    assert len(made.wrapped) < 4096
    monkeypatch.setenv("AEGIS_KMS_KEY_ID", made.arn)
    monkeypatch.setenv("AEGIS_KMS_WRAPPED_PRIVATE_KEY", b64encode(made.wrapped))
    monkeypatch.setenv("AEGIS_MASTER_KEK_PUBLIC", b64encode(kek_pair.public))
    check_kek(AWSKMSKEKProvider.from_environment())
    check_kek(get_kek_provider("kms"))
    check_kek(made.load(client=moto_endpoint.client()))
