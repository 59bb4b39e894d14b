"""The keyring: what a process knows about keys, and the signed records it learns it from.  No Kafka in here."""
