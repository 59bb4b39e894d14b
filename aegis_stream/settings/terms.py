"""The times of a deployment by which results of commands are told."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from aegis_stream.control.draft import Terms

if TYPE_CHECKING:
    from aegis_stream.settings.model import Settings


def terms_of(settings: Settings) -> Terms:
    """Return what the rotation agent, the operators' commands and the dashboard go by."""
    return Terms(
        veto=dt.timedelta(seconds=settings.custodian_veto_s),
        follower_grace=dt.timedelta(seconds=settings.manifest_grace_s),
    )
