"""Where the KEK lives: AWS KMS, an HSM, the environment, or this process's memory."""

from aegis_stream.kek.audit import AuditedKEK, KEKUse
from aegis_stream.kek.aws_kms import AWSKMSKEKProvider
from aegis_stream.kek.cache import CachingKEK
from aegis_stream.kek.environment import EnvironmentKEKProvider
from aegis_stream.kek.hsm import HSMKEKProvider
from aegis_stream.kek.memory import InMemoryKEKProvider
from aegis_stream.kek.metrics import KEKMetrics, MeteredKEK
from aegis_stream.kek.provider import KEKProvider, check_kek, get_kek_provider
from aegis_stream.kek.retry import Backoff, RetryingKEK, wait_for_kek, wait_for_keks

__all__ = [
    "AWSKMSKEKProvider",
    "AuditedKEK",
    "Backoff",
    "CachingKEK",
    "EnvironmentKEKProvider",
    "HSMKEKProvider",
    "InMemoryKEKProvider",
    "KEKMetrics",
    "KEKProvider",
    "KEKUse",
    "MeteredKEK",
    "RetryingKEK",
    "check_kek",
    "get_kek_provider",
    "wait_for_kek",
    "wait_for_keks",
]
