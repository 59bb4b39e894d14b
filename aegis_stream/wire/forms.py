"""The forms of texts, ready to be asked: each takes a text and answers truly only for all of it."""

from __future__ import annotations

import re

HEX16 = re.compile(r"[0-9a-f]{16}", re.ASCII).fullmatch
HEX32 = re.compile(r"[0-9a-f]{32}", re.ASCII).fullmatch
HEX64 = re.compile(r"[0-9a-f]{64}", re.ASCII).fullmatch

_SOURCE = re.compile(r"[A-Za-z0-9._-]{1,249}/(0|[1-9][0-9]{0,9})/(0|[1-9][0-9]{0,18})", re.ASCII).fullmatch


usual_source = re.compile(r"[A-Za-z0-9._-]{1,249}/(?:0|[1-9][0-9]{0,8})/(?:0|[1-9][0-9]{0,17})", re.ASCII).fullmatch
"""Answers truly for most sources, without a call of Python's; `is_source` decides about the others."""


def is_source(text: str) -> bool:
    """Tell whether the text is topic/partition/offset: Kafka's characters, a 31-bit partition, a 63-bit offset."""
    match = _SOURCE(text)
    return match is not None and int(match[1]) < _PARTITIONS and int(match[2]) < _OFFSETS


_PARTITIONS = 2**31
_OFFSETS = 2**63
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

CLEAN_ENDS = frozenset([f"{last}==" for last in "AQgw"] + [f"{a}{last}=" for a in _ALPHABET for last in _ALPHABET[::4]])
"""The last three characters of padded base64 whose last character before the padding has no stray bits."""
