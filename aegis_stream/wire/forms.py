"""The forms of texts, ready to be asked: each takes a text and answers truly only for all of it."""

from __future__ import annotations

import re

HEX16 = re.compile(r"[0-9a-f]{16}", re.ASCII).fullmatch
HEX32 = re.compile(r"[0-9a-f]{32}", re.ASCII).fullmatch
HEX64 = re.compile(r"[0-9a-f]{64}", re.ASCII).fullmatch

SOURCE = re.compile(r"[A-Za-z0-9._-]{1,249}/(?:0|[1-9][0-9]{0,18})/(?:0|[1-9][0-9]{0,18})", re.ASCII).fullmatch
"""topic/partition/offset."""

_LAST_OF_TWO = frozenset("AQgw")
_LAST_OF_THREE = frozenset("AEIMQUYcgkosw048")


def has_stray_bits(text: str) -> bool:
    """Tell whether base64 that decoded strictly has bits before its padding that encode nothing."""
    if not text.endswith("="):
        return False
    return text[-3] not in _LAST_OF_TWO if text.endswith("==") else text[-2] not in _LAST_OF_THREE
