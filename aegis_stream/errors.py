"""One tree of errors.

Every class says whether trying again can help (`retryable`), carries a `reason` from a closed set, and where it
helps a `remedy` that tells the operator what to do next.  No message ever holds a value of an event, a key or a PIN.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class WriteReason(StrEnum):
    """Why a writer refuses an event; also the reasons of dead letters.  Closed: frozen with the format."""

    NOT_JSON = "not-json"
    TOO_DEEP = "too-deep"
    TOO_LARGE = "too-large"
    TOO_LONG = "too-long"
    NUMBER = "number"
    HAS_AEGIS = "has-aegis"
    DUPLICATE = "duplicate"
    NO_VALUE = "no-value"


class ReadReason(StrEnum):
    """Why a reader refuses an event.  Closed: frozen with the format."""

    NOT_JSON = "not-json"
    TOO_DEEP = "too-deep"
    NUMBER = "number"
    NOT_PROTECTED = "not-protected"
    VERSION = "version"
    MALFORMED = "malformed"
    PLAINTEXT = "plaintext"
    MIXED = "mixed"
    DEK_UNKNOWN = "dek-unknown"
    DEK_REVOKED = "dek-revoked"
    DEK_DESTROYED = "dek-destroyed"
    DEK_BELOW_MINIMUM = "dek-below-minimum"
    UNSIGNED = "unsigned"
    SIGNER_UNKNOWN = "signer-unknown"
    SIGNER_REVOKED = "signer-revoked"
    SIGNATURE = "signature"
    ENCAPSULATION = "encapsulation"
    TOO_LONG = "too-long"
    TAG = "tag"
    COMMITMENT = "commitment"
    VALUE = "value"
    SET = "set"
    SOURCE_REWOUND = "source-rewound"


class KeyReason(StrEnum):
    """Why a key, a version name or a wrapped key is refused."""

    LENGTH = "length"
    ENCODING = "encoding"
    MODULUS = "modulus"
    LOW_ORDER = "low-order"
    INCONSISTENT = "inconsistent"
    MISMATCH = "mismatch"
    ENCAPSULATION = "encapsulation"
    DEK_VERSION = "dek-version"
    UNWRAP = "unwrap"
    PERMISSIONS = "permissions"


class ManifestReason(StrEnum):
    """Why a follower refuses a record of the control topic."""

    ENVELOPE = "envelope"
    SIGNATURE = "signature"
    PAYLOAD = "payload"
    DEPLOYMENT = "deployment"
    SEQUENCE = "sequence"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    HASH = "hash"
    TRANSITION = "transition"


class KEKReason(StrEnum):
    """Why a KEK provider cannot serve."""

    NOT_CONFIGURED = "not-configured"
    INCOMPLETE = "incomplete"
    CONFLICT = "conflict"
    UNSUPPORTED = "unsupported"
    EXTRA_MISSING = "extra-missing"
    FORBIDDEN = "forbidden"
    UNAVAILABLE = "unavailable"
    THROTTLED = "throttled"
    DENIED = "denied"
    DISABLED = "disabled"
    WRONG_KEY = "wrong-key"
    BAD_CREDENTIALS = "bad-credentials"
    BAD_BLOB = "bad-blob"
    MISMATCH = "mismatch"


class CommandReason(StrEnum):
    """Why a command, or a record that belongs to one, is refused or does not count."""

    ENVELOPE = "envelope"
    SIGNATURE = "signature"
    PAYLOAD = "payload"
    DEPLOYMENT = "deployment"
    LIFETIME = "lifetime"
    NOT_YET_VALID = "not-yet-valid"
    EXPIRED = "expired"
    REPLAY = "replay"
    MISMATCH = "mismatch"
    SAME_SIGNER = "same-signer"
    SUSPENDED = "suspended"
    REJECTED = "rejected"
    KEY_IN_USE = "key-in-use"
    POLICY = "policy"
    UNKNOWN_DEK = "unknown-dek"
    UNKNOWN_ENRICHER = "unknown-enricher"
    UNKNOWN_KEK = "unknown-kek"
    ACTIVE = "active"
    ABOVE_ACTIVE = "above-active"
    BACKWARDS = "backwards"
    UNCHANGED = "unchanged"
    KEK_CURRENT = "kek-current"
    KEK_IN_USE = "kek-in-use"
    REWRAP = "rewrap"
    LIMIT = "limit"


class OverrideReason(StrEnum):
    """Why an override event is not verified."""

    MALFORMED = "malformed"
    WINDOW = "window"
    NOT_YET_VALID = "not-yet-valid"
    EXPIRED = "expired"
    PENDING = "pending"
    PARTIAL = "partial"
    RISK_SIGNATURE = "risk-signature"
    SECURITY_SIGNATURE = "security-signature"
    SAME_SIGNER = "same-signer"
    REVOKED = "revoked"
    SIGNER_ID = "signer-id"
    COMBINED_HASH = "combined-hash"


class BrokerReason(StrEnum):
    """Why the Kafka side is not fit to start or to go on."""

    UNREACHABLE = "unreachable"
    CREDENTIALS = "credentials"
    TLS = "tls"
    TOPIC_MISSING = "topic-missing"
    TOPIC_REFUSED = "topic-refused"
    TOPIC_SETTINGS = "topic-settings"
    PARTITIONS = "partitions"
    GROUP_REFUSED = "group-refused"
    TIMEOUT = "timeout"
    CONTROL_EMPTY = "control-empty"
    FENCED = "fenced"


class AegisError(Exception):
    """Root of the tree.

    Attributes
    ----------
    reason: a member of the class's closed set, or a short word where the class has only one meaning.
    remedy: what the operator can do next; may be empty.
    retryable: True where the same call may succeed later without anybody changing anything.

    """

    retryable: ClassVar[bool] = False
    default_reason: ClassVar[str] = "error"

    def __init__(self, message: str, *, reason: str | None = None, remedy: str = "") -> None:
        """Keep what may be shown: nothing here may quote a value or a key."""
        super().__init__(message)
        self.reason: str = self.default_reason if reason is None else reason
        self.remedy = remedy


class ConfigurationError(AegisError):
    """A setting is missing, half there or makes no sense."""

    default_reason = "configuration"


class PolicyError(ConfigurationError):
    """A policy (names, pointers, exclusions) is malformed."""

    default_reason = "policy"


class TooLongError(AegisError):
    """A length prefix of the format cannot hold a value."""

    default_reason = "too-long"


class EventRefusedError(AegisError):
    """A writer refuses an event: it is bad input, never a reason to stop the stream."""

    def __init__(self, reason: WriteReason, path: str = "") -> None:
        """`path` is the JSON Pointer of the offending member, empty for the whole event."""
        super().__init__(f"event refused: {reason}" + (f" at {path}" if path else ""), reason=reason)
        self.path = path


class EventUnreadableError(AegisError):
    """A reader refuses an event; nothing of it was released."""

    def __init__(self, reason: ReadReason, path: str = "", *, dek_version: str = "") -> None:
        """`path` is the JSON Pointer of the offending member, empty for the whole event."""
        super().__init__(f"event unreadable: {reason}" + (f" at {path}" if path else ""), reason=reason)
        self.path = path
        self.dek_version = dek_version


class RecordRefusedError(EventUnreadableError):
    """A reader met a record of the encrypted topic that it must refuse; asking again gives the same answer."""

    def __init__(self, reason: ReadReason, path: str, *, dek_version: str, place: tuple[str, int, int]) -> None:
        """`place` is the record's topic, partition and offset."""
        super().__init__(reason, path, dek_version=dek_version)
        self.topic, self.partition, self.offset = place
        self.args = (f"{self.topic}/{self.partition}/{self.offset}: {self.args[0]}",)
        self.remedy = "`aegis inspect` shows its structure; with a callback for refused records a reader goes on"


class SchemaRefusedError(AegisError):
    """A producer refuses an event that its schema does not allow."""

    default_reason = "schema"

    def __init__(self, rule: str, path: str = "") -> None:
        """`rule` is the schema's keyword; `path` the JSON Pointer of the member, empty for the whole event."""
        super().__init__(
            f"event against its schema: {rule}" + (f" at {path}" if path else ""),
            remedy="see schemas/raw-event.schema.json; --no-validate sends any JSON object",
        )
        self.path = path


class KeyRefusedError(AegisError):
    """A public, private or wrapped key is not what it must be."""

    def __init__(self, reason: KeyReason, message: str, *, remedy: str = "") -> None:
        """`message` names the kind of key, never its bytes."""
        super().__init__(message, reason=reason, remedy=remedy)


class ManifestRefusedError(AegisError):
    """A record of the control topic is refused; the last good keyring stays."""

    def __init__(self, reason: ManifestReason, message: str, *, remedy: str = "") -> None:
        """`message` names the record and the rule."""
        super().__init__(message, reason=reason, remedy=remedy)


class CommandRefusedError(AegisError):
    """A command of the control topic, or a record that belongs to one, is refused; nothing was changed."""

    def __init__(self, reason: CommandReason, message: str, *, remedy: str = "") -> None:
        """`message` names the record and the rule."""
        super().__init__(message, reason=reason, remedy=remedy)
        self.command_reason = reason


class KeyringStaleError(AegisError):
    """The newest manifest is past its life and grace: an enricher holds until a fresh one comes."""

    retryable = True
    default_reason = "stale"


class KEKError(AegisError):
    """The KEK provider cannot do what was asked; trying again changes nothing."""

    def __init__(self, reason: KEKReason, message: str, *, remedy: str = "") -> None:
        """`remedy` tells the operator what to change."""
        super().__init__(message, reason=reason, remedy=remedy)


class KEKUnavailableError(KEKError):
    """The KEK provider is away, slow or throttling: trying again may help."""

    retryable = True


class BrokerError(AegisError):
    """Kafka is not fit: a topic is missing, refused or has the wrong settings."""

    def __init__(self, reason: BrokerReason, message: str, *, remedy: str = "") -> None:
        """`remedy` tells the operator what to change."""
        super().__init__(message, reason=reason, remedy=remedy)


class BrokerUnavailableError(BrokerError):
    """Kafka does not answer: trying again may help."""

    retryable = True
