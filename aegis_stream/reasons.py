"""Why something is refused: closed sets, shared by errors, metrics, logs and dead letters."""

from __future__ import annotations

from enum import StrEnum


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
    RECORDS_REMAIN = "records-remain"
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
    TRANSACTION_REFUSED = "transaction-refused"
    TIMEOUT = "timeout"
    CONTROL_EMPTY = "control-empty"
    FENCED = "fenced"


class LetterReason(StrEnum):
    """Why nothing can be done with a dead letter."""

    UNKNOWN = "unknown"
    STATE = "state"
    UNCERTAIN = "uncertain"
    OTHER_TOPIC = "other-topic"
    NO_PARTITION = "no-partition"
    GONE = "gone"
    SEALED = "sealed"
    EMPTY = "empty"
    TOO_LARGE = "too-large"
    DEK_UNKNOWN = "dek-unknown"
    DEK_REVOKED = "dek-revoked"
    DEK_DESTROYED = "dek-destroyed"
    DEK_BELOW_MINIMUM = "dek-below-minimum"
