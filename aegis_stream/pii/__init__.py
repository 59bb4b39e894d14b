"""What is sensitive: the twelve fields, policies, and the classifier that finds their values in an event."""

from aegis_stream.pii.classifier import Classifier, Target
from aegis_stream.pii.fields import PII_FIELDS, Priority, normalise
from aegis_stream.pii.policy import Policy

__all__ = ["PII_FIELDS", "Classifier", "Policy", "Priority", "Target", "normalise"]
