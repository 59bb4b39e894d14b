"""The KEK whose private key AWS KMS unwraps at start."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, Self

from aegis_stream.kek import kms_errors
from aegis_stream.kek.choice import needed
from aegis_stream.kek.kms_context import context_of, read_context
from aegis_stream.kek.remote import RemoteKEK, check_blob
from aegis_stream.kek.secret import Secret
from aegis_stream.kek.variables import (
    KMS_KEY_ID,
    KMS_WRAPPED_PRIVATE_KEY,
    MASTER_KEK_PUBLIC,
    PREFIX,
    Variables,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from boto3.session import Session
    from botocore.exceptions import ClientError
    from types_boto3_kms import KMSClient

BLOB_MOST_BYTES = 6144  # what KMS takes as a ciphertext

_ATTEMPTS = 3
_CONNECT_TIMEOUT_S = 2
_READ_TIMEOUT_S = 5
_ARN_REGION = 3  # arn:aws:kms:<region>:<account>:key/<id>

_talking = ContextVar("aegis_kms_talking", default=False)


class AWSKMSKEKProvider(RemoteKEK):
    """Asks KMS once to decrypt the private key, and holds it in memory from then on.

    The ciphertext is bound to the KEK id by its encryption context, so it opens with its own public key only.  At run
    time the role needs kms:Decrypt and nothing else.
    """

    __slots__ = ("_client", "_context", "_key_id")

    name: ClassVar[str] = "kms"

    def __init__(  # noqa: PLR0913 - the guide's three, and what a deployment may have to add
        self,
        *,
        kms_key_id: str,
        wrapped_private_key: bytes,
        public_key_bytes: bytes,
        encryption_context: Mapping[str, str] | None = None,
        client: KMSClient | None = None,
        defer: bool = False,
    ) -> None:
        """Load the KEK; with `defer` the first decapsulation (or `load`) does so.

        `encryption_context` adds to the binding of the KEK id; `client` is a boto3 KMS client to use instead of one
        with standard retries (3 attempts, 2 s to connect, 5 s to read).

        Raises KEKError: EXTRA_MISSING, INCOMPLETE (no region), DENIED, DISABLED, WRONG_KEY, BAD_CREDENTIALS, BAD_BLOB,
        MISMATCH; KEKUnavailableError: UNAVAILABLE, THROTTLED; KeyRefusedError: a key is not one.
        """
        check_blob(wrapped_private_key, least=1, most=BLOB_MOST_BYTES, vendor="KMS")
        super().__init__(wrapped=wrapped_private_key, public_key_bytes=public_key_bytes, source="the KEK's public key")
        self._key_id = kms_key_id
        self._context = context_of(self.kek_id, encryption_context)
        self._client = client
        if not defer:
            self.load()

    @classmethod
    def from_environment(
        cls, *, prefix: str = PREFIX, environ: Mapping[str, str] | None = None, defer: bool = False
    ) -> Self:
        """Read AEGIS_KMS_KEY_ID, AEGIS_KMS_WRAPPED_PRIVATE_KEY and AEGIS_MASTER_KEK_PUBLIC (or their …_FILE).

        AEGIS_KMS_ENCRYPTION_CONTEXT, a JSON object of strings, adds to the encryption context.  Raises as the
        constructor, and INCOMPLETE (names what is missing), CONFLICT, KeyRefusedError(ENCODING).
        """
        variables = Variables(prefix=prefix, environ=environ)
        del environ
        variables.need(needed(cls.name), provider=cls.name)
        return cls(
            kms_key_id=variables.text(KMS_KEY_ID),
            wrapped_private_key=variables.key_bytes(KMS_WRAPPED_PRIVATE_KEY).reveal(),
            public_key_bytes=variables.key_bytes(MASTER_KEK_PUBLIC).reveal(),
            encryption_context=read_context(variables),
            defer=defer,
        )

    def _unwrap(self) -> Secret[bytes]:
        with KMSWrappingKey(self._key_id, client=self._client) as key:
            return key.unwrap(self._wrapped, context=self._context)


class KMSWrappingKey:
    """A symmetric KMS key: wraps and unwraps up to 4,096 bytes under an encryption context."""

    __slots__ = ("_client", "_own", "key_id")

    def __init__(self, key_id: str, *, client: KMSClient | None = None) -> None:
        """Name the key by ARN, id or alias; raises KEKError: EXTRA_MISSING, INCOMPLETE (no region), BAD_CREDENTIALS."""
        self.key_id = key_id
        self._own = client is None
        self._client = client if client is not None else make_client(key_id)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections, unless the client was given."""
        if self._own:
            self._client.close()

    def wrap(self, raw: Secret[bytes], *, context: Mapping[str, str]) -> bytes:
        """Return the ciphertext; needs kms:Encrypt.  Raises KEKError and KEKUnavailableError."""
        return self._ask(
            "CiphertextBlob",
            lambda: self._client.encrypt(KeyId=self.key_id, Plaintext=raw.reveal(), EncryptionContext=dict(context)),
        ).reveal()

    def unwrap(self, wrapped: bytes, *, context: Mapping[str, str]) -> Secret[bytes]:
        """Return the plaintext; needs kms:Decrypt.  Raises KEKError and KEKUnavailableError."""
        return self._ask(
            "Plaintext",
            lambda: self._client.decrypt(KeyId=self.key_id, CiphertextBlob=wrapped, EncryptionContext=dict(context)),
        )

    def _ask(self, part: str, call: Callable[[], Mapping[str, Any]]) -> Secret[bytes]:
        """Return one member of the answer, or raise our error: never inside the handler, whose frames hold keys."""
        outcome = _outcome(part, call)
        if isinstance(outcome, kms_errors.Failure):
            raise outcome.error()
        value, used = outcome
        if not self._names(used):
            raise kms_errors.OTHER_KEY.error()
        return value

    def _names(self, used: str) -> bool:
        """Tell whether the ARN in an answer is the key asked for; an alias does not tell which key it means."""
        if "alias/" in self.key_id:
            return True
        return used.rpartition("/")[2] == self.key_id.rpartition("/")[2]


def make_client(key_id: str) -> KMSClient:
    """Return a boto3 KMS client with standard retries and bounded time-outs, in the region of the ARN if it is one.

    Raises KEKError: EXTRA_MISSING, INCOMPLETE (no region, an endpoint that is no URL), BAD_CREDENTIALS;
    KEKUnavailableError: what gives the credentials is away.
    """
    client: KMSClient | kms_errors.Failure
    try:
        session = _boto3_session()
        client = _without_credentials(session) or _boto3_client(session, key_id)
    except ImportError:
        client = kms_errors.NO_EXTRA
    except Exception as error:  # noqa: BLE001 - whatever the vendor's library raises becomes one of ours
        client = _explain(error)
        if client is kms_errors.GARBAGE:  # nobody has been asked yet
            client = kms_errors.BAD_SETTINGS
    if isinstance(client, kms_errors.Failure):
        raise client.error()
    return client


def _boto3_session() -> Session:
    """Return a session whose clients are all bounded, also those that fetch credentials."""
    import boto3.session  # noqa: PLC0415 - only with the extra kms
    import botocore.session  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    session = botocore.session.get_session()
    session.set_default_client_config(
        Config(
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            connect_timeout=_CONNECT_TIMEOUT_S,
            read_timeout=_READ_TIMEOUT_S,
        )
    )
    return boto3.session.Session(botocore_session=session)


def _without_credentials(session: Session) -> kms_errors.Failure | None:
    """Fetch the credentials now; returns why there are none, which must not be taken for an answer of KMS."""
    import botocore.exceptions as vendor  # noqa: PLC0415 - only with the extra kms

    try:
        credentials = session.get_credentials()
        if credentials is None:
            return kms_errors.NO_CREDENTIALS
        credentials.get_frozen_credentials()
    except vendor.ClientError as error:
        return kms_errors.from_credentials_code(*_code_and_status(error))
    except (vendor.HTTPClientError, vendor.ConnectionError):
        return kms_errors.CREDENTIALS_AWAY
    except (vendor.NoRegionError, vendor.InvalidRegionError):
        return kms_errors.NO_REGION
    except Exception:  # noqa: BLE001 - a token's file that is not there, a helper program that fails, a broken profile
        return kms_errors.CREDENTIALS_REFUSED
    return None


def _boto3_client(session: Session, key_id: str) -> KMSClient:
    arn = key_id.split(":")
    named = arn[_ARN_REGION] if len(arn) > _ARN_REGION and arn[0] == "arn" else os.environ.get("AWS_REGION")
    return session.client("kms", region_name=named or None)


def _outcome(part: str, call: Callable[[], Mapping[str, Any]]) -> tuple[Secret[bytes], str] | kms_errors.Failure:
    """Return a member of the answer and the ARN of the key that was used, or what went wrong."""
    try:
        with _quiet():
            answer = call()
        value, used = answer.get(part), answer.get("KeyId")
        if isinstance(value, bytes) and value and isinstance(used, str):
            return Secret(value), used
    except Exception as error:  # noqa: BLE001 - whatever the vendor's library raises becomes one of ours
        return _explain(error)
    return kms_errors.GARBAGE


def _explain(error: Exception) -> kms_errors.Failure:
    """Say in our words what an exception of boto3 means."""
    import botocore.exceptions as vendor  # noqa: PLC0415 - only with the extra kms

    if isinstance(error, vendor.ClientError):
        return kms_errors.from_code(*_code_and_status(error))
    if isinstance(error, (vendor.NoRegionError, vendor.InvalidRegionError)):
        return kms_errors.NO_REGION
    if isinstance(
        error,
        (
            vendor.NoCredentialsError,
            vendor.PartialCredentialsError,
            vendor.CredentialRetrievalError,
            vendor.TokenRetrievalError,
            vendor.SSOError,
            vendor.ProfileNotFound,
            vendor.ConfigParseError,
            vendor.ConfigNotFound,
        ),
    ):
        return kms_errors.NO_CREDENTIALS
    if isinstance(error, vendor.ParamValidationError):
        return kms_errors.from_code("ValidationException", 400)
    if isinstance(error, (vendor.HTTPClientError, vendor.ConnectionError)):
        return kms_errors.UNTRUSTED if isinstance(error, vendor.SSLError) else kms_errors.UNREACHABLE
    return kms_errors.GARBAGE


def _code_and_status(error: ClientError) -> tuple[str, int]:
    """Return the service's code and the HTTP status, empty and 0 where they are missing."""
    response: Mapping[str, Any] = error.response
    code = response.get("Error", {}).get("Code", "")
    return str(code), int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


class _Quiet(logging.Filter):
    """Drops what botocore says of our requests: at DEBUG it logs bodies, and they hold the private key."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - nothing of the record decides
        return not _talking.get()


_QUIET = _Quiet()


@contextmanager
def _quiet() -> Iterator[None]:
    for name in ("botocore.endpoint", "botocore.parsers", "botocore.auth"):
        logging.getLogger(name).addFilter(_QUIET)
    token = _talking.set(True)
    try:
        yield
    finally:
        _talking.reset(token)
