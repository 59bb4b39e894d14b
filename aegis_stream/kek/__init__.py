"""Where the KEK lives: AWS KMS, an HSM, the environment, or this process's memory."""

from aegis_stream.kek.aws_kms import AWSKMSKEKProvider
from aegis_stream.kek.environment import EnvironmentKEKProvider
from aegis_stream.kek.hsm import HSMKEKProvider
from aegis_stream.kek.memory import InMemoryKEKProvider
from aegis_stream.kek.provider import KEKProvider, check_kek, get_kek_provider

__all__ = [
    "AWSKMSKEKProvider",
    "EnvironmentKEKProvider",
    "HSMKEKProvider",
    "InMemoryKEKProvider",
    "KEKProvider",
    "check_kek",
    "get_kek_provider",
]
