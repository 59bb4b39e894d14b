"""A writer's side of the native engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aegis_stream.encryption.engine import native_policy
from aegis_stream.encryption.results import NO_STRINGS, Protected

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from aegis_stream.pii import Classifier

_NO_LIMIT = 2**62


class Done(NamedTuple):
    """What the native engine did with a batch.

    results: one an event, None where it is left to Python's engine.  left: how many are.
    by_label: fields by their labels.
    fields, plaintext_bytes: what the session is to be charged.
    """

    results: list[Protected | None]
    left: int
    by_label: dict[str, int]
    fields: int
    plaintext_bytes: int


class NativeWriter:
    """Protects batches in native code, outside the interpreter's lock."""

    def __init__(self, module: ModuleType, classifier: Classifier, max_output_bytes: int | None, threads: int) -> None:
        """Hand the policy over."""
        self._module = module
        self._policy, self._labels = native_policy(module, classifier)
        self._output_bytes = _NO_LIMIT if max_output_bytes is None else max_output_bytes
        self._threads = threads

    def session(self, okm: bytes, dek_version: str, head: bytes) -> object:
        """Hand a session over.  okm: its 96 bytes of keys.  head: `_aegis` up to the value of `id`."""
        return self._module.WriterSession(okm, dek_version, head)

    def protect(
        self, session: object, raw: Sequence[bytes], sources: Sequence[str] | None, at: bytes, allowed: tuple[int, int]
    ) -> Done:
        """Protect a batch.  allowed: how many fields and bytes of plaintext the session may still encrypt."""
        results, left, by_label, fields, plaintext_bytes = self._module.protect_batch(
            self._policy,
            session,
            list(raw),
            None if sources is None else list(sources),
            at.decode(),
            result=Protected,
            rest=NO_STRINGS,
            output_bytes=self._output_bytes,
            fields=allowed[0],
            plaintext_bytes=allowed[1],
            threads=self._threads,
        )
        counts = {self._labels[number]: count for number, count in by_label.items()}
        return Done(results, left, counts, fields, plaintext_bytes)
