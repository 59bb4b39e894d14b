"""When a DEK has been active for long enough.

The only state is the active DEK's own `created_at`, which stands in the manifest: nothing else must outlive a restart,
and dates that were missed, however many, are made up by one rotation.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from aegis_stream.errors import ConfigurationError

if TYPE_CHECKING:
    from aegis_stream.keyring.manifest import Manifest

CALENDAR_MONTHS = {"monthly": 1, "quarterly": 3, "yearly": 12}
OFF = "off"
_UNITS = {
    "s": dt.timedelta(seconds=1),
    "m": dt.timedelta(minutes=1),
    "h": dt.timedelta(hours=1),
    "d": dt.timedelta(days=1),
    "w": dt.timedelta(weeks=1),
}
_INTERVAL = re.compile(r"([1-9][0-9]{0,5})([smhdw])", re.ASCII)


@dataclass(frozen=True, slots=True)
class RotationSchedule:
    """Dates of the calendar, or an interval, and how far after each the rotation may fall.

    months: rotate on the first day, 00:00 UTC, of every month, quarter or year (1, 3 or 12); 0 for none.  interval: the
    longest that a DEK is active, where `months` is 0.  Neither: never by itself.  jitter: deployments rotate up to so
    much later, each DEK at a moment of its own that a restart does not change.
    """

    months: int = 3
    interval: dt.timedelta | None = None
    jitter: dt.timedelta = dt.timedelta(0)

    @classmethod
    def parse(cls, text: str, *, jitter_s: int = 0) -> Self:
        """Read `monthly`, `quarterly`, `yearly`, `off` or an interval: a whole number and s, m, h, d or w.

        Raises ConfigurationError.
        """
        jitter = dt.timedelta(seconds=jitter_s)
        if text in CALENDAR_MONTHS:
            return cls(CALENDAR_MONTHS[text], None, jitter)
        found = _INTERVAL.fullmatch(text)
        if found is None and text != OFF:
            raise ConfigurationError(
                "the rotation interval is not of its form",
                remedy="it is monthly, quarterly, yearly, off, or for example 90d (units s, m, h, d, w)",
            )
        return cls(0, None if found is None else int(found[1]) * _UNITS[found[2]], jitter)

    def due_at(self, manifest: Manifest) -> dt.datetime | None:
        """Return when the manifest's active DEK is to be replaced, None for never by itself."""
        active = manifest.active
        if self.months:
            date = self._first_date_after(active.created_at)
        elif self.interval is not None:
            date = active.created_at + self.interval
        else:
            return None
        return date + self._delay(f"{manifest.deployment}/{active.version.text}")

    def _first_date_after(self, moment: dt.datetime) -> dt.datetime:
        """Return the first day of the next period of the calendar."""
        months = moment.year * 12 + moment.month - 1
        following = (months // self.months + 1) * self.months
        return dt.datetime(following // 12, following % 12 + 1, 1, tzinfo=dt.UTC)

    def _delay(self, name: str) -> dt.timedelta:
        """Return a part of the jitter, in whole seconds, the same for the same DEK."""
        drawn = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
        return dt.timedelta(seconds=drawn % (int(self.jitter.total_seconds()) + 1))
