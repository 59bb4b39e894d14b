"""What readers and producers of events use."""

from aegis_stream.client.connection import connection_kwargs
from aegis_stream.client.consumer import EventConsumer
from aegis_stream.client.producer import EventProducer, Written
from aegis_stream.client.reading import open_consumer
from aegis_stream.client.received import ReceivedEvent, RefusedRecord

__all__ = [
    "EventConsumer",
    "EventProducer",
    "ReceivedEvent",
    "RefusedRecord",
    "Written",
    "connection_kwargs",
    "open_consumer",
]
