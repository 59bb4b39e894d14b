"""What AWS KMS answers when it does not serve, and what follows from it for the operator."""

from __future__ import annotations

import re
from dataclasses import dataclass

from aegis_stream.errors import KEKError, KEKReason, KEKUnavailableError

_SERVER_ERROR = 500
_TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class Failure:
    """A vendor error in our words.  It holds nothing of the request or the response."""

    reason: KEKReason
    message: str
    remedy: str
    retryable: bool = False

    def error(self) -> KEKError:
        """Return the error to raise, outside the handler of the vendor's one."""
        kind = KEKUnavailableError if self.retryable else KEKError
        return kind(self.reason, self.message, remedy=self.remedy)


_CREDENTIALS = "renew the AWS credentials of this process (role, profile or session token) and look at its clock"

_BY_REASON: tuple[tuple[KEKReason, bool, str, str, frozenset[str]], ...] = (
    (
        KEKReason.THROTTLED,
        True,
        "throttles",
        "wait; if it lasts, raise the account's KMS request quota",
        frozenset(
            {
                "ThrottlingException",
                "Throttling",
                "ThrottledException",
                "LimitExceededException",
                "RequestLimitExceeded",
                "TooManyRequestsException",
                "RequestThrottled",
                "SlowDown",
            }
        ),
    ),
    (
        KEKReason.UNAVAILABLE,
        True,
        "is not available",
        "wait; look at the AWS status page of the region",
        frozenset(
            {
                "KMSInternalException",
                "DependencyTimeoutException",
                "KeyUnavailableException",
                "ServiceUnavailableException",
                "ServiceUnavailable",
                "InternalFailure",
                "InternalServerError",
                "RequestTimeout",
                "RequestTimeoutException",
            }
        ),
    ),
    (
        KEKReason.DENIED,
        False,
        "denies access",
        "allow kms:Decrypt (provisioning and doctor: kms:Encrypt too) for this role, in the IAM and the key policy",
        frozenset({"AccessDeniedException", "AccessDenied", "InvalidGrantTokenException", "OptInRequired"}),
    ),
    (
        KEKReason.BAD_CREDENTIALS,
        False,
        "does not accept the credentials",
        _CREDENTIALS,
        frozenset(
            {
                "ExpiredTokenException",
                "ExpiredToken",
                "RequestExpired",
                "UnrecognizedClientException",
                "InvalidClientTokenId",
                "InvalidAccessKeyId",
                "InvalidSignatureException",
                "SignatureDoesNotMatch",
                "IncompleteSignature",
                "IncompleteSignatureException",
                "MissingAuthenticationToken",
                "MissingAuthenticationTokenException",
                "AuthFailure",
                "NotAuthorized",
            }
        ),
    ),
    (
        KEKReason.DISABLED,
        False,
        "says that the key is disabled",
        "aws kms enable-key",
        frozenset({"DisabledException"}),
    ),
    (
        KEKReason.DISABLED,
        False,
        "says that the key cannot be used in its state (pending deletion, pending import)",
        "aws kms cancel-key-deletion, then enable-key: once the key is deleted, nothing can be read any more",
        frozenset({"KMSInvalidStateException"}),
    ),
    (
        KEKReason.WRONG_KEY,
        False,
        "does not know the key or it is another one",
        "set the KMS key id to the key under which the private key was wrapped, in the same account and region",
        frozenset(
            {
                "NotFoundException",
                "IncorrectKeyException",
                "InvalidKeyUsageException",
                "InvalidArnException",
                "ValidationException",
            }
        ),
    ),
    (
        KEKReason.BAD_BLOB,
        False,
        "refuses the wrapped private key: it is damaged, or was made for another public key or encryption context",
        "take the wrapped private key and the public key from the same provisioning",
        frozenset({"InvalidCiphertextException"}),
    ),
)

_CODES = {
    code: Failure(reason, f"AWS KMS {message} ({code})", remedy, retryable)
    for reason, retryable, message, remedy, codes in _BY_REASON
    for code in codes
}

UNREACHABLE = Failure(
    KEKReason.UNAVAILABLE,
    "AWS KMS cannot be reached or does not answer in time",
    "look at network, DNS, proxy, TLS (AWS_CA_BUNDLE) and the endpoint (AWS_ENDPOINT_URL_KMS, VPC endpoint)",
    retryable=True,
)
UNTRUSTED = Failure(
    KEKReason.UNAVAILABLE,
    "the TLS connection to AWS KMS fails: its certificate is not trusted, or is another host's",
    "look at AWS_CA_BUNDLE, at AWS_ENDPOINT_URL_KMS and at proxies that open TLS",
    retryable=True,
)
GARBAGE = Failure(
    KEKReason.UNAVAILABLE,
    "what answered is not AWS KMS",
    "look at the endpoint (AWS_ENDPOINT_URL_KMS) and at proxies on the way",
    retryable=True,
)
NO_EXTRA = Failure(
    KEKReason.EXTRA_MISSING, "AWS KMS needs boto3, which is not installed", 'pip install "aegis-stream[kms]"'
)
NO_CREDENTIALS = Failure(KEKReason.BAD_CREDENTIALS, "there are no AWS credentials for KMS", _CREDENTIALS)
CREDENTIALS_AWAY = Failure(
    KEKReason.UNAVAILABLE,
    "the service that gives AWS credentials (STS, SSO) is away or busy",
    "look at network, DNS, proxy and its endpoint (AWS_ENDPOINT_URL_STS, VPC endpoint)",
    retryable=True,
)
CREDENTIALS_REFUSED = Failure(
    KEKReason.BAD_CREDENTIALS,
    "AWS gives this process no credentials for KMS",
    "look at the role and its trust policy, the profile, and the token's file (AWS_WEB_IDENTITY_TOKEN_FILE)",
)
BAD_SETTINGS = Failure(
    KEKReason.INCOMPLETE,
    "boto3 cannot make a KMS client of its settings",
    "AWS_ENDPOINT_URL_KMS is a whole URL, with https://; look at the other AWS_ variables and the profile too",
)
NO_REGION = Failure(
    KEKReason.INCOMPLETE,
    "no AWS region is set, or what is set is none",
    "set AWS_REGION or AWS_DEFAULT_REGION, or give the KMS key by its ARN, which names one",
)

OTHER_KEY = _CODES["IncorrectKeyException"]


def from_code(code: str, status: int) -> Failure:
    """Return what an error code (from the response) and an HTTP status mean; both may be missing (empty, 0).

    Without a name in its place the answer is a proxy's or another service's.
    """
    known = _CODES.get(code)
    if known is not None:
        return known
    named = re.fullmatch(r"[A-Za-z.]{1,60}", code, re.ASCII) is not None
    shown = code if named else f"HTTP {status}"
    if status >= _SERVER_ERROR:
        return Failure(
            KEKReason.UNAVAILABLE,
            f"AWS KMS is not available ({shown})",
            "wait; look at the AWS status page",
            retryable=True,
        )
    if named:
        return Failure(
            KEKReason.DENIED, f"AWS KMS refuses the request ({shown})", "look at CloudTrail for this request"
        )
    if status == _TOO_MANY:
        return _CODES["TooManyRequestsException"]
    return Failure(GARBAGE.reason, f"{GARBAGE.message} ({shown})", GARBAGE.remedy, retryable=True)


def from_credentials_code(code: str, status: int) -> Failure:
    """Return what an error of the service that gives credentials means."""
    waits = status >= _SERVER_ERROR or status == _TOO_MANY or code == "IDPCommunicationError"
    known = _CODES.get(code)
    if waits or (known is not None and known.retryable):
        return CREDENTIALS_AWAY
    return CREDENTIALS_REFUSED
