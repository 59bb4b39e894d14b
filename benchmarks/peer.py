"""The peer: Confluent's client-side field-level encryption for Python, all of it in this process.

Its schema registry and its DEK registry are the in-memory ones it ships, its KMS is its local driver; both answer
from memory, as the real clients do from their caches once warm.  Its serializer validates by default; a second pair
does not, for who turns that off.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from aegis_stream.pii import PII_FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable

TOPIC = "events"
TAG = "PII"


class PeerMissingError(RuntimeError):
    """The peer is not installed; the message says how to install it."""


class Peer(NamedTuple):
    """One event to bytes, encrypting its tagged fields in place, and back."""

    name: str
    serialize: Callable[[dict[str, Any]], bytes]
    deserialize: Callable[[bytes], dict[str, Any]]


def csfle_peer(*, validate: bool = True) -> Peer:
    """Return Confluent's serializer and deserializer with the twelve fields tagged and one AES-256-GCM DEK.

    validate: check events against their JSON Schema, as it does by default.  Raises PeerMissingError.
    """
    registry, json_schema = _module("schema_registry"), _module("schema_registry.json_schema")
    _module("schema_registry.rules.encryption.localkms.local_driver").LocalKmsDriver.register()
    _module("schema_registry.rules.encryption.encrypt_executor").FieldEncryptionExecutor.register()
    serialization = _module("serialization")
    client = registry.SchemaRegistryClient.new_client({"url": "mock://"})
    rule = registry.Rule(
        name="encrypt-pii",
        doc="",
        kind=registry.RuleKind.TRANSFORM,
        mode=registry.RuleMode.WRITEREAD,
        type="ENCRYPT",
        tags=[TAG],
        params=registry.RuleParams(
            {"encrypt.kek.name": "kek", "encrypt.kms.type": "local-kms", "encrypt.kms.key.id": "bench-key"}
        ),
        expr=None,
        on_success=None,
        on_failure="ERROR,NONE",
        disabled=False,
    )
    schema = registry.Schema(json.dumps(_schema()), "JSON", [], None, registry.RuleSet(None, [rule]))
    client.register_schema(f"{TOPIC}-value", schema)
    by_topic = {"subject.name.strategy": registry.topic_subject_name_strategy, "use.latest.version": True}
    secret = {"secret": "benchmarks only"}
    serializer = json_schema.JSONSerializer(
        schema, client, conf={**by_topic, "auto.register.schemas": False, "validate": validate}, rule_conf=secret
    )
    deserializer = json_schema.JSONDeserializer(
        None, schema_registry_client=client, conf={**by_topic, "validate": validate}, rule_conf=secret
    )
    context = serialization.SerializationContext(TOPIC, serialization.MessageField.VALUE)
    checked = "" if validate else " without validation"
    return Peer(
        f"Confluent CSFLE {importlib.metadata.version('confluent-kafka')}{checked}",
        lambda event: serializer(event, context),
        lambda value: deserializer(value, context),
    )


def _module(name: str) -> Any:  # noqa: ANN401 - untyped, and absent where nobody benchmarks
    """Return a module of Confluent's client."""
    try:
        return importlib.import_module(f"confluent_kafka.{name}")
    except ImportError as error:
        missing = error.name
    raise PeerMissingError(f"Confluent's client is not all there ({missing}): pip install 'aegis-stream[bench]'")


def _schema() -> dict[str, Any]:
    """Return the shortest schema that tags the twelve fields: each further property would cost the peer time."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Event",
        "type": "object",
        "properties": {name: {"type": "string", "confluent:tags": [TAG]} for name in PII_FIELDS},
    }
