"""A reader's side of the native engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import orjson

from aegis_stream.encryption.engine import native_policy
from aegis_stream.encryption.results import Opened
from aegis_stream.pii import Classifier

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from aegis_stream.encryption.results import Unreadable
    from aegis_stream.pii import Policy
    from aegis_stream.session import SessionKeys

_TRIES = 4
"""How often in a batch the rest is tried anew once a session was learned."""


class NativeReader:
    """Opens events of sessions that Python's engine has judged; it is asked for all others."""

    def __init__(self, module: ModuleType, threads: int) -> None:
        """Know no session yet."""
        self._module = module
        self._threads = threads
        self._sessions: Any = module.ReaderSessions()
        self._policies: dict[Policy, Any] = {}

    def learn(self, session: tuple[str, str, str, str], keys: SessionKeys, policy: Policy) -> None:
        """Hand a judged session over: (dek, kem, by, sig), its keys, and the policy of its DEK version."""
        native = self._policies.get(policy)
        if native is None:
            native = self._policies[policy] = native_policy(self._module, Classifier(policy)).policy
        self._sessions.add(*session, keys.okm, native)

    def forget(self) -> None:
        """Forget all sessions: they are to be judged anew."""
        self._sessions.clear()

    def open(self, raw: Sequence[bytes], judge: Callable[[bytes], Opened | Unreadable]) -> list[Opened | Unreadable]:
        """Open a batch; `judge` opens one event in Python, and may teach a session by it."""
        results: list[Opened | Unreadable] = []
        tries = _TRIES
        rest = list(raw)
        while rest:
            known = len(self._sessions)
            answers: list[Opened | None]
            answers, left = self._module.open_batch(
                self._sessions, rest, loads=orjson.loads, result=Opened, threads=self._threads
            )
            if left == 0:
                results += cast("list[Opened]", answers)
                break
            done = 0
            for one, answer in zip(rest, answers, strict=True):
                done += 1
                if answer is not None:
                    results.append(answer)
                    continue
                results.append(judge(one))
                if tries and len(self._sessions) > known:
                    tries -= 1
                    break
            rest = rest[done:]
        return results
