"""Where the AWS credentials come from a service of their own, as in Kubernetes: its failures are not those of KMS."""

from __future__ import annotations

import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar, Self

import pytest

from aegis_stream.errors import KEKError, KEKReason
from aegis_stream.kek import aws_kms

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.kms_endpoint import KmsEndpoint

pytestmark = pytest.mark.kms

GIVEN = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAAEGISTEST</AccessKeyId>
<SecretAccessKey>not-a-secret</SecretAccessKey><SessionToken>a-token</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>"""
REFUSED = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<Error><Type>Sender</Type><Code>{code}</Code><Message>as told</Message></Error></ErrorResponse>"""


class Sts:
    """A token service over HTTP that gives credentials, or fails with a code."""

    def __init__(self) -> None:
        """Listen on a free port of 127.0.0.1."""
        self.code = ""
        self.status = 200
        self.requests = 0
        handler = type("Handler", (_Handler,), {"sts": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        """Start."""
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    sts: ClassVar[Sts]

    def do_POST(self) -> None:
        """Answer one request."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.sts.requests += 1
        body = (REFUSED.format(code=self.sts.code) if self.sts.code else GIVEN).encode()
        self.send_response(self.sts.status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def sts(aws: pytest.MonkeyPatch, kms_endpoint: KmsEndpoint, tmp_path: Path) -> Iterator[Sts]:
    """Yield a token service; the environment is that of a pod with a role and no keys."""
    del kms_endpoint
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        aws.delenv(name)
    token = tmp_path / "token"
    token.write_text("a token of the cluster")
    aws.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/reader")
    aws.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    with Sts() as service:
        aws.setenv("AWS_ENDPOINT_URL_STS", service.url)
        yield service


def refusal() -> KEKError:
    """Return the error of making a client."""
    with pytest.raises(KEKError) as caught:
        aws_kms.make_client("alias/x")
    assert caught.value.__context__ is None
    return caught.value


def test_role_of_a_pod_gives_the_credentials(sts: Sts, kms_endpoint: KmsEndpoint) -> None:
    """One request, and KMS is asked with what it gave."""
    key_id = kms_endpoint.create_key()
    with closing(aws_kms.make_client(key_id)) as client:
        client.encrypt(KeyId=key_id, Plaintext=b"x")
    assert (sts.requests, kms_endpoint.requests) == (1, ["Encrypt"])


@pytest.mark.parametrize(
    ("code", "status", "retryable", "requests"),
    [
        ("AccessDenied", 403, False, 1),
        ("ExpiredTokenException", 400, False, 1),
        ("InvalidIdentityToken", 400, False, 1),
        ("RegionDisabledException", 403, False, 1),
        ("Throttling", 400, True, 3),
    ],
)
def test_refused_credentials_are_not_taken_for_a_refusal_of_kms(  # noqa: PLR0913 - a table of four columns
    sts: Sts, kms_endpoint: KmsEndpoint, code: str, status: int, *, retryable: bool, requests: int
) -> None:
    """Else the operator would look at the key's policy, where nothing is wrong; retries are bounded here too."""
    sts.code, sts.status = code, status
    error = refusal()
    assert error.reason == (KEKReason.UNAVAILABLE if retryable else KEKReason.BAD_CREDENTIALS)
    assert error.retryable == retryable
    assert "STS" in error.remedy if retryable else "trust policy" in error.remedy
    assert (sts.requests, kms_endpoint.requests) == (requests, [])


def test_token_that_is_not_mounted_is_no_reason_to_wait(sts: Sts, aws: pytest.MonkeyPatch) -> None:
    """A mount that is missing does not come by itself, and nobody has answered yet."""
    aws.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token")
    error = refusal()
    assert (error.reason, error.retryable, sts.requests) == (KEKReason.BAD_CREDENTIALS, False, 0)
    assert "AWS_WEB_IDENTITY_TOKEN_FILE" in error.remedy


def test_token_service_that_is_away_is_waited_for(sts: Sts, aws: pytest.MonkeyPatch) -> None:
    """As KMS is, and by its name."""
    aws.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    error = refusal()
    assert (error.reason, error.retryable, sts.requests) == (KEKReason.UNAVAILABLE, True, 0)
    assert "AWS_ENDPOINT_URL_STS" in error.remedy


@pytest.mark.parametrize("url", ["localhost:4566", "http://", "nonsense"])
def test_endpoint_that_is_no_url_is_a_wrong_setting(aws: pytest.MonkeyPatch, url: str) -> None:
    """A reader that waited for it would wait for ever."""
    aws.setenv("AWS_ENDPOINT_URL_KMS", url)
    error = refusal()
    assert (error.reason, error.retryable) == (KEKReason.INCOMPLETE, False)
    assert "AWS_ENDPOINT_URL_KMS" in error.remedy
