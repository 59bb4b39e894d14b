"""Encrypts personal data in Kafka events, field by field, with hybrid post-quantum keys."""
