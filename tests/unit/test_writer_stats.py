"""What a writer counts: fields and reasons from closed sets, in bounded memory."""

from __future__ import annotations

import orjson

from aegis_stream.encryption import (
    Opened,
    PIIDecryptor,
    PIIEncryptor,
    Protected,
    SingleDek,
)
from aegis_stream.hybrid import HybridPrivateKey
from aegis_stream.pii import Policy
from tests.support.one_dek import PAIR, VERSION, enricher


def test_counts_name_fields_and_reasons() -> None:
    """They feed the metrics; spellings that a producer chose stay out."""
    writer = enricher(policy=Policy(pointers=("/x",)))
    writer.protect_batch([b'{"actorId":1,"x":{"_encrypted":1},"y":{"_ciphertext":1}}'] * 2 + [b"", b"{"])
    assert writer.stats.fields == {"actor_id": 2, "pointer": 2, "_encrypted": 2}
    assert writer.stats.rejected == {"not-json": 2}
    assert (writer.stats.events, writer.stats.batches) == (2, 1)
    assert writer.stats.priority("actor_id") == "high"
    assert writer.stats.priority("pointer") == "custom"


def test_counts_survive_many_shapes() -> None:
    """Shapes are forgotten within a bound; what they counted is not."""
    writer = enricher()
    writer.protect_batch([b'{"n%d":{"actor_id":1}}' % number for number in range(1500)])
    assert writer.stats.fields == {"actor_id": 1500}
    assert len(writer.stats._shapes) <= 1024


def test_shapes_with_long_paths_are_counted_and_not_kept() -> None:
    """Producers choose the paths; a thousand shapes of megabytes would fill the memory of both sides."""
    writer = PIIEncryptor(public_key=PAIR.public, dek_version=VERSION, engine="python")
    private = HybridPrivateKey.from_bytes(PAIR.private)
    source = SingleDek(
        dek_version=VERSION, public_key=PAIR.public, decapsulate=private.decapsulate, policy=Policy.default()
    )
    reader = PIIDecryptor(source, engine="python")
    raw = orjson.dumps({f"{'n' * 60_000}{number}": {"actor_id": "alice"} for number in range(3)})
    (result,) = writer.protect_batch([raw])
    assert isinstance(result, Protected)
    (opened,) = reader.open_batch([result.value])
    assert isinstance(opened, Opened)
    assert orjson.dumps(opened.event) == raw
    assert writer.stats.fields == {"actor_id": 3}
    assert not writer.stats._shapes
    assert not reader._shapes
