"""Doubles for your own tests: a deployment in memory, with real keys, encryption and refusals, and without Kafka.

    deployment = MemoryDeployment()
    async with deployment.producer() as producer:
        await producer.send(event)
    async with deployment.consumer(group="billing") as consumer:
        received = [one.event async for one in consumer]

Consumer and producer are the library's own over a log in memory, so what they check, refuse, count and commit is what
they do on Kafka.  Two things differ: a consumer ends where the real one waits for more, and a group has one consumer
at a time, which has all partitions.
"""

from aegis_stream.testing.clients import MemoryConsumer, MemoryProducer
from aegis_stream.testing.deployment import MemoryDeployment, RefusedEvent
from aegis_stream.testing.kek import UnavailableKEK

__all__ = ["MemoryConsumer", "MemoryDeployment", "MemoryProducer", "RefusedEvent", "UnavailableKEK"]
