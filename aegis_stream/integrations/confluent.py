"""Serializer and deserializer for confluent-kafka's `SerializingProducer` and `DeserializingConsumer`.

    with FollowedKeys(load_settings()) as keys:
        consumer = DeserializingConsumer({…, "value.deserializer": EventDeserializer(keys)})

A refusal is raised by `poll` as ValueDeserializationError, whose `exception` has reason and path and whose
`kafka_message` has the coordinates; `produce` raises ValueSerializationError.  See docs/clients.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aegis_stream.encryption import PIIDecryptor
from aegis_stream.encryption.strings import strict_dumps
from aegis_stream.integrations.followed import FollowedKeys, FollowedWriter, opened_with, protected_with

try:
    from confluent_kafka.serialization import Deserializer, Serializer
except ImportError as missing:
    msg = "confluent-kafka is not installed: pip install 'aegis-stream[confluent]'"
    raise ImportError(msg, name=missing.name) from missing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka.serialization import SerializationContext

    from aegis_stream.encryption import Opened, PIIEncryptor

__all__ = ["EventDeserializer", "EventSerializer", "FollowedKeys", "FollowedWriter"]


class EventDeserializer(Deserializer):
    """`value.deserializer` of the encrypted topic: bytes in, the event as its producer wrote it out.

    Safe to share between consumers and threads.
    """

    __slots__ = ("_keys", "_whole")

    def __init__(self, keys: FollowedKeys | PIIDecryptor, *, whole: bool = False) -> None:
        """Take the keys of a deployment, or a decryptor over any `DekSource`.

        whole: give `Opened(event, dek_version, source)` instead of the event alone; an enricher that was restarted may
        repeat its last events, which `SourceMarks` tells by their source.
        """
        self._keys = keys
        self._whole = whole

    def __call__(self, data: bytes | None, ctx: SerializationContext | None = None) -> dict[str, Any] | Opened | None:
        """Open a value; a null value is None.

        Raises EventUnreadableError, and with a deployment's keys what `FollowedKeys.open` raises.
        """
        del ctx
        if data is None:
            return None
        keys = self._keys
        opened = opened_with(keys, data) if isinstance(keys, PIIDecryptor) else keys.open(data)
        return opened if self._whole else opened.event


class EventSerializer(Serializer):
    """`value.serializer` of a producer that encrypts by itself: an event in, bytes for the encrypted topic out.

    Safe to share between producers and threads.
    """

    __slots__ = ("_writer",)

    def __init__(self, writer: FollowedWriter | PIIEncryptor) -> None:
        """Take the active DEK of a deployment, or an encryptor under one version (`create_pii_enricher`)."""
        self._writer = writer

    def __call__(self, obj: Mapping[str, Any] | None, ctx: SerializationContext | None = None) -> bytes | None:
        """Encrypt the sensitive fields of an event; None stays None.

        Raises EventRefusedError, and with a deployment's DEK what `FollowedWriter.protect` raises.
        """
        del ctx
        if obj is None:
            return None
        raw = strict_dumps(obj)
        writer = self._writer
        return writer.protect(raw) if isinstance(writer, FollowedWriter) else protected_with(writer, raw)
