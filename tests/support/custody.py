"""Every place where a KEK can be kept, behind one face, so that one suite tests them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from prometheus_client import CollectorRegistry

from aegis_stream.hybrid import HybridKEM, HybridKeypair
from aegis_stream.kek import (
    AuditedKEK,
    AWSKMSKEKProvider,
    CachingKEK,
    EnvironmentKEKProvider,
    HSMKEKProvider,
    InMemoryKEKProvider,
    KEKMetrics,
    KEKProvider,
    MeteredKEK,
    RetryingKEK,
)
from aegis_stream.kek.aws_kms import KMSWrappingKey
from aegis_stream.kek.hsm_key import HsmWrappingKey
from aegis_stream.kek.kms_context import context_of
from aegis_stream.kek.secret import Secret
from aegis_stream.wire import b64encode, kek_id

if TYPE_CHECKING:
    from tests.support.softhsm import HsmToken

PREFIX = "AEGIS_"


class Custody(Protocol):
    """A place: it keeps a private key as a blob, and has variables that describe it (none for in-memory)."""

    name: str
    secret_variables: frozenset[str]

    def blob(self, pair: HybridKeypair) -> bytes:
        """Return the form in which the private key is kept."""

    def foreign_blob(self, pair: HybridKeypair) -> bytes:
        """Return a well-formed blob of the same private key that this place must not open."""

    def variables(self, blob: bytes, public: bytes, *, prefix: str = PREFIX) -> dict[str, str]:
        """Return the variables of the provider."""

    def load(self, blob: bytes, public: bytes) -> KEKProvider:
        """Return the provider, loaded."""


class KmsCustody:
    """A KMS at the endpoint of the environment."""

    name = "kms"
    secret_variables: frozenset[str] = frozenset()

    def __init__(self, key_id: str, other_key_id: str) -> None:
        """Keep keys under `key_id`; `other_key_id` makes foreign blobs."""
        self.key_id = key_id
        self._other_key_id = other_key_id
        self._blobs: dict[bytes, bytes] = {}

    def blob(self, pair: HybridKeypair) -> bytes:
        """Encrypt under the key, once a keypair: a client of boto3 takes its time."""
        if pair.public not in self._blobs:
            self._blobs[pair.public] = self._encrypt(pair, self.key_id)
        return self._blobs[pair.public]

    def foreign_blob(self, pair: HybridKeypair) -> bytes:
        """Encrypt under the other key."""
        return self._encrypt(pair, self._other_key_id)

    def _encrypt(self, pair: HybridKeypair, key_id: str) -> bytes:
        with KMSWrappingKey(key_id) as key:
            return key.wrap(Secret(pair.private), context=context_of(kek_id(pair.public), None))

    def variables(self, blob: bytes, public: bytes, *, prefix: str = PREFIX) -> dict[str, str]:
        """Return the guide's three."""
        return {
            f"{prefix}KMS_KEY_ID": self.key_id,
            f"{prefix}KMS_WRAPPED_PRIVATE_KEY": b64encode(blob),
            f"{prefix}MASTER_KEK_PUBLIC": b64encode(public),
        }

    def load(self, blob: bytes, public: bytes) -> KEKProvider:
        """Load it by explicit parameters."""
        return AWSKMSKEKProvider(kms_key_id=self.key_id, wrapped_private_key=blob, public_key_bytes=public)


class HsmCustody:
    """A token with two wrapping keys."""

    name = "hsm"
    secret_variables = frozenset({"HSM_PIN"})
    key_label = "aegis-kek-v1"

    def __init__(self, token: HsmToken) -> None:
        """Make the keys."""
        self.token = token
        for label in (self.key_label, "another"):
            with self.key(label) as key:
                key.make()

    def key(self, label: str = key_label) -> HsmWrappingKey:
        """Return one of the keys."""
        return HsmWrappingKey(
            pkcs11_lib=self.token.library, token_label=self.token.label, pin=Secret(self.token.pin), key_label=label
        )

    def blob(self, pair: HybridKeypair) -> bytes:
        """Wrap under the key."""
        with self.key() as key:
            return key.wrap(Secret(pair.private))

    def foreign_blob(self, pair: HybridKeypair) -> bytes:
        """Wrap under the other key."""
        with self.key("another") as key:
            return key.wrap(Secret(pair.private))

    def variables(self, blob: bytes, public: bytes, *, prefix: str = PREFIX) -> dict[str, str]:
        """Return the guide's six."""
        return {
            f"{prefix}HSM_PKCS11_LIB": self.token.library,
            f"{prefix}HSM_TOKEN_LABEL": self.token.label,
            f"{prefix}HSM_PIN": self.token.pin,
            f"{prefix}HSM_WRAPPING_KEY_LABEL": self.key_label,
            f"{prefix}HSM_WRAPPED_PRIVATE_KEY": b64encode(blob),
            f"{prefix}MASTER_KEK_PUBLIC": b64encode(public),
        }

    def load(self, blob: bytes, public: bytes) -> KEKProvider:
        """Load it by explicit parameters."""
        return HSMKEKProvider(
            pkcs11_lib=self.token.library,
            token_label=self.token.label,
            pin=self.token.pin,
            wrapping_key_label=self.key_label,
            wrapped_private_key=blob,
            public_key_bytes=public,
        )


class EnvironmentCustody:
    """Variables that hold the key itself."""

    name = "environment"
    secret_variables = frozenset({"MASTER_KEK_PRIVATE"})

    def blob(self, pair: HybridKeypair) -> bytes:
        """Keep it as it is."""
        return pair.private

    def foreign_blob(self, pair: HybridKeypair) -> bytes:
        """Return another key: nothing is wrapped here, so there is no other form of the same."""
        del pair
        return HybridKEM.generate_keypair().private

    def variables(self, blob: bytes, public: bytes, *, prefix: str = PREFIX) -> dict[str, str]:
        """Return the guide's two."""
        return {f"{prefix}MASTER_KEK_PRIVATE": b64encode(blob), f"{prefix}MASTER_KEK_PUBLIC": b64encode(public)}

    def load(self, blob: bytes, public: bytes) -> KEKProvider:
        """Load it from an environment."""
        return EnvironmentKEKProvider(environ=self.variables(blob, public))


class MemoryCustody(EnvironmentCustody):
    """A keypair that a test hands over; nothing can be configured."""

    name = "in_memory"
    secret_variables = frozenset()

    def variables(self, blob: bytes, public: bytes, *, prefix: str = PREFIX) -> dict[str, str]:
        """Return nothing."""
        del blob, public, prefix
        return {}

    def load(self, blob: bytes, public: bytes) -> KEKProvider:
        """Load the keypair."""
        return InMemoryKEKProvider(keypair=HybridKeypair(blob, public), environ={})


class WrappedCustody(EnvironmentCustody):
    """The environment provider with every wrapper round it: they must change nothing."""

    def load(self, blob: bytes, public: bytes) -> KEKProvider:
        """Load it and wrap it."""
        retrying = RetryingKEK(super().load(blob, public), attempts=2)
        metered = MeteredKEK(CachingKEK(retrying), KEKMetrics(CollectorRegistry()))
        return AuditedKEK(metered)
