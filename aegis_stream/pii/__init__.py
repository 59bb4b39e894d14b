"""What is sensitive: the twelve fields, policies, and the classifier that finds their values in an event."""

from aegis_stream.pii.classifier import Classifier, Survey, Target
from aegis_stream.pii.fields import PII_FIELDS, Priority, normalise
from aegis_stream.pii.place import JSON, LAYOUT, STRING, Place
from aegis_stream.pii.policy import Policy

__all__ = [
    "JSON",
    "LAYOUT",
    "PII_FIELDS",
    "STRING",
    "Classifier",
    "Place",
    "Policy",
    "Priority",
    "Survey",
    "Target",
    "normalise",
]
