"""Other Kafka clients: confluent-kafka (extra `confluent`) and FastStream (extra `faststream`).

Each module imports the client that it is for; nothing here is imported by the rest of the library.
"""
