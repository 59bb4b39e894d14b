"""Encrypting and decrypting the sensitive fields of events."""

from aegis_stream.encryption.factory import create_pii_decryptor, create_pii_enricher
from aegis_stream.encryption.keys import DekSource, ReadingKey, SingleDek
from aegis_stream.encryption.reader import PIIDecryptor
from aegis_stream.encryption.results import Opened, Protected, Rejected, Unreadable
from aegis_stream.encryption.rotation_schedule import RotationSchedule
from aegis_stream.encryption.rotator import DEKRotator
from aegis_stream.encryption.stats import WriterStats
from aegis_stream.encryption.writer import PIIEncryptor

__all__ = [
    "DEKRotator",
    "DekSource",
    "Opened",
    "PIIDecryptor",
    "PIIEncryptor",
    "Protected",
    "ReadingKey",
    "Rejected",
    "RotationSchedule",
    "SingleDek",
    "Unreadable",
    "WriterStats",
    "create_pii_decryptor",
    "create_pii_enricher",
]
