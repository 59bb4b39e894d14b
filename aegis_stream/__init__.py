"""Encrypts personal data in Kafka events, field by field, with hybrid post-quantum keys.

What stands here is what a library user needs; nothing happens at import.
"""

from aegis_stream.custodian import BIP322Provider
from aegis_stream.encryption import (
    DEKRotator,
    Opened,
    PIIDecryptor,
    PIIEncryptor,
    Protected,
    Rejected,
    Unreadable,
    create_pii_decryptor,
    create_pii_enricher,
)
from aegis_stream.errors import AegisError, EventRefusedError, EventUnreadableError
from aegis_stream.hybrid import HybridKEM
from aegis_stream.kek import (
    AWSKMSKEKProvider,
    EnvironmentKEKProvider,
    HSMKEKProvider,
    InMemoryKEKProvider,
    KEKProvider,
    get_kek_provider,
)
from aegis_stream.pii import PII_FIELDS, Policy, Priority
from aegis_stream.pipeline import TelemetryPipeline

__all__ = [
    "PII_FIELDS",
    "AWSKMSKEKProvider",
    "AegisError",
    "BIP322Provider",
    "DEKRotator",
    "EnvironmentKEKProvider",
    "EventRefusedError",
    "EventUnreadableError",
    "HSMKEKProvider",
    "HybridKEM",
    "InMemoryKEKProvider",
    "KEKProvider",
    "Opened",
    "PIIDecryptor",
    "PIIEncryptor",
    "Policy",
    "Priority",
    "Protected",
    "Rejected",
    "TelemetryPipeline",
    "Unreadable",
    "create_pii_decryptor",
    "create_pii_enricher",
    "get_kek_provider",
]
