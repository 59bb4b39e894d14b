"""Who wrote last under the keys that only the rotation agent may write.

Compaction keeps the newest record of a key, whoever wrote it, so a foreign record over `manifest` or a DEK record would
in time remove the only copy of a wrapped key.  The guard compares what stands last under each key with what is genuine;
the agent writes the genuine value again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class RecordGuard:
    """Remembers, for each key, at which offset it was written last and with what."""

    def __init__(self) -> None:
        """Nothing has been read."""
        self._last: dict[str, tuple[int, bytes | None]] = {}

    def saw(self, key: str, value: bytes | None, offset: int) -> None:
        """Note a record that was read or written; what stands at an older offset than known changes nothing."""
        if offset >= self._last.get(key, (-1, None))[0]:
            self._last[key] = (offset, value)

    def forget_below(self, offset: int) -> None:
        """Forget what was written below this offset: it is no longer on the topic, somebody has deleted records."""
        self._last = {key: last for key, last in self._last.items() if last[0] >= offset}

    def start_over(self) -> None:
        """Forget everything: offsets have begun anew, so this is another topic under the old name."""
        self._last.clear()

    def forget_others(self, keys: Iterable[str]) -> None:
        """Keep only these keys: anybody may write under others without end."""
        self._last = {key: self._last[key] for key in keys if key in self._last}

    def overwritten(self, genuine: Mapping[str, bytes]) -> tuple[tuple[str, bytes], ...]:
        """Return the (key, value) pairs that must be written again: what stands last there is something else."""
        return tuple((key, value) for key, value in genuine.items() if self._last.get(key, (0, None))[1] != value)
