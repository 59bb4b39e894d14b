"""What the errors of AWS KMS mean."""

from __future__ import annotations

from contextlib import closing

import botocore.exceptions
import botocore.session
import pytest

from aegis_stream.errors import KEKError, KEKReason, KEKUnavailableError
from aegis_stream.kek import aws_kms, kms_errors
from aegis_stream.kek.secret import Secret

RETRYABLE = {KEKReason.UNAVAILABLE, KEKReason.THROTTLED}


@pytest.mark.parametrize("operation", ["Encrypt", "Decrypt"])
def test_every_error_that_kms_documents_is_known(operation: str) -> None:
    """The list comes from botocore's own model of the service, so a new error shows here."""
    model = botocore.session.get_session().get_service_model("kms").operation_model(operation)
    for shape in model.error_shapes:
        failure = kms_errors.from_code(shape.name, 400)
        if shape.name == "DryRunOperationException":  # only where DryRun was asked for, which we never do
            continue
        assert f"({shape.name})" in failure.message
        assert "refuses the request" not in failure.message, shape.name
        assert failure.remedy


@pytest.mark.parametrize("code", [code for *_, codes in kms_errors._BY_REASON for code in sorted(codes)])
def test_error_says_whether_a_retry_helps_and_what_to_change(code: str) -> None:
    """A reader waits on the one kind and gives up on the other."""
    error = kms_errors.from_code(code, 400).error()
    assert error.retryable == (error.reason in RETRYABLE)
    assert isinstance(error, KEKUnavailableError) == error.retryable
    assert error.remedy


@pytest.mark.parametrize(("status", "retryable"), [(400, False), (403, False), (500, True), (503, True), (0, False)])
def test_unknown_code_is_judged_by_its_status(status: int, *, retryable: bool) -> None:
    """KMS may learn new errors before we do."""
    assert kms_errors.from_code("SomethingNewException", status).retryable == retryable


@pytest.mark.parametrize(
    ("code", "status", "reason", "retryable"),
    [
        ("302", 302, KEKReason.UNAVAILABLE, True),
        ("", 403, KEKReason.UNAVAILABLE, True),
        ("407", 407, KEKReason.UNAVAILABLE, True),
        ("", 429, KEKReason.THROTTLED, True),
        ("", 503, KEKReason.UNAVAILABLE, True),
    ],
)
def test_answer_without_a_name_is_not_from_kms(code: str, status: int, reason: KEKReason, *, retryable: bool) -> None:
    """KMS names each of its errors; a proxy that answers for it does not, and its trouble may pass."""
    failure = kms_errors.from_code(code, status)
    assert (failure.reason, failure.retryable) == (reason, retryable)
    assert failure.remedy


@pytest.mark.parametrize(
    ("code", "status", "retryable"),
    [
        ("InternalFailure", 500, True),
        ("", 503, True),
        ("", 429, True),
        ("Throttling", 400, True),
        ("IDPCommunicationError", 400, True),
        ("AccessDenied", 403, False),
        ("SomethingNew", 400, False),
    ],
)
def test_service_that_gives_credentials_is_told_from_kms(code: str, status: int, *, retryable: bool) -> None:
    """A role that is refused is mended elsewhere than a key's policy."""
    failure = kms_errors.from_credentials_code(code, status)
    assert failure is (kms_errors.CREDENTIALS_AWAY if retryable else kms_errors.CREDENTIALS_REFUSED)
    assert failure.error().retryable == retryable


def test_unknown_code_is_shown_only_where_it_looks_like_one() -> None:
    """Whatever answers at the endpoint may put anything there, also what we sent."""
    assert "SomethingNewException" in kms_errors.from_code("SomethingNewException", 400).message
    for code in ("A" * 61, "key=QUJD", "<script>", "Ünicode"):
        assert code not in kms_errors.from_code(code, 400).message


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (botocore.exceptions.NoRegionError(), KEKReason.INCOMPLETE),
        (botocore.exceptions.NoCredentialsError(), KEKReason.BAD_CREDENTIALS),
        (botocore.exceptions.CredentialRetrievalError(provider="x", error_msg="x"), KEKReason.BAD_CREDENTIALS),
        (botocore.exceptions.ProfileNotFound(profile="x"), KEKReason.BAD_CREDENTIALS),
        (botocore.exceptions.EndpointConnectionError(endpoint_url="x"), KEKReason.UNAVAILABLE),
        (botocore.exceptions.ReadTimeoutError(endpoint_url="x"), KEKReason.UNAVAILABLE),
        (botocore.exceptions.ConnectionClosedError(endpoint_url="x"), KEKReason.UNAVAILABLE),
        (botocore.exceptions.SSLError(endpoint_url="x", error="QUJD"), KEKReason.UNAVAILABLE),
        (botocore.exceptions.ParamValidationError(report="x"), KEKReason.WRONG_KEY),
        (ValueError("QUJDREVG"), KEKReason.UNAVAILABLE),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_every_vendor_exception_becomes_one_of_ours(raised: Exception, reason: KEKReason) -> None:
    """Callers know one tree; the vendor's error is not even chained, for it may quote what was sent."""

    class Client:
        def decrypt(self, **_: object) -> None:
            raise raised

    key = aws_kms.KMSWrappingKey("alias/x", client=Client())
    with pytest.raises(KEKError) as caught:
        key.unwrap(b"x", context={})
    assert caught.value.reason == reason
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
    assert str(raised) not in str(caught.value)


def test_client_has_bounded_time_outs_and_standard_retries(aws: pytest.MonkeyPatch) -> None:
    """A start must fail within seconds, not hang for the minutes of the defaults."""
    del aws
    with closing(aws_kms.make_client("alias/x")) as client:
        config = client.meta.config
        assert (config.connect_timeout, config.read_timeout) == (2, 5)
        assert config.retries == {"mode": "standard", "total_max_attempts": 3}


def test_region_comes_from_the_arn(aws: pytest.MonkeyPatch) -> None:
    """A key is in one region, whatever the process is told."""
    aws.setenv("AWS_REGION", "us-east-1")
    with closing(aws_kms.make_client("arn:aws:kms:ap-south-1:123456789012:key/x")) as client:
        assert client.meta.region_name == "ap-south-1"
    with closing(aws_kms.make_client("alias/x")) as client:
        assert client.meta.region_name == "us-east-1"


def test_missing_region_says_what_to_set(aws: pytest.MonkeyPatch) -> None:
    """An alias names no region."""
    aws.delenv("AWS_REGION")
    with pytest.raises(KEKError) as caught:
        aws_kms.make_client("alias/x")
    assert caught.value.reason == KEKReason.INCOMPLETE
    assert "AWS_REGION" in caught.value.remedy


def test_answer_of_another_key_is_refused() -> None:
    """A stand-in that ignores KeyId, as moto does, must not choose the key."""

    class Client:
        def decrypt(self, **_: object) -> dict[str, object]:
            return {"KeyId": "arn:aws:kms:eu-central-1:1:key/other", "Plaintext": b"x"}

    for key_id in ("arn:aws:kms:eu-central-1:1:key/mine", "mine"):
        with pytest.raises(KEKError) as caught:
            aws_kms.KMSWrappingKey(key_id, client=Client()).unwrap(b"x", context={})
        assert caught.value.reason == KEKReason.WRONG_KEY
    for alias in ("alias/mine", "arn:aws:kms:eu-central-1:1:alias/mine"):
        assert aws_kms.KMSWrappingKey(alias, client=Client()).unwrap(b"x", context={}).reveal() == b"x"


def test_secret_is_silent() -> None:
    """It is on every frame between the vendor and the key."""
    secret = Secret(b"QUJDREVGQUJDREVG")
    assert "QUJD" not in f"{secret} {secret!r}"
    assert len(secret) == 16
