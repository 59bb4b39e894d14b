"""One tree of errors.

Every class says whether trying again can help (`retryable`), carries a `reason` from a closed set, and where it
helps a `remedy` that tells the operator what to do next.  No message ever holds a value of an event, a key or a PIN.
"""

from __future__ import annotations

from typing import ClassVar

from aegis_stream.reasons import (
    BrokerReason,
    CommandReason,
    KEKReason,
    KeyReason,
    LetterReason,
    ManifestReason,
    OverrideReason,
    ReadReason,
    WriteReason,
)

__all__ = [
    "AegisError",
    "BrokerError",
    "BrokerReason",
    "BrokerUnavailableError",
    "CommandReason",
    "CommandRefusedError",
    "ConfigurationError",
    "EventRefusedError",
    "EventUnreadableError",
    "KEKError",
    "KEKReason",
    "KEKUnavailableError",
    "KeyReason",
    "KeyRefusedError",
    "KeyringStaleError",
    "LetterReason",
    "LetterRefusedError",
    "ManifestReason",
    "ManifestRefusedError",
    "OverrideReason",
    "PolicyError",
    "ReadReason",
    "RecordRefusedError",
    "SchemaRefusedError",
    "TooLongError",
    "WriteReason",
]


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


class LetterRefusedError(AegisError):
    """Nothing can be done with a dead letter: it cannot be opened, or is not where or what it would have to be."""

    def __init__(self, reason: LetterReason, message: str, *, remedy: str = "") -> None:
        """`message` names the letter by its source and the rule."""
        super().__init__(message, reason=reason, remedy=remedy)
        self.letter_reason = reason


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
