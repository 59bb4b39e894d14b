"""Does a text look like personal data?  A hint for people who write policies, no proof either way."""

from __future__ import annotations

import ipaddress
import re
from enum import StrEnum


class Looks(StrEnum):
    """What a value in the clear looks like."""

    EMAIL = "e-mail address"
    PHONE = "phone number"
    IP = "IP address"
    IBAN = "IBAN"


_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}(?![\w-])")
_IBAN = re.compile(r"(?<![A-Z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}(?![A-Z0-9])")
# International with + or 00, or national with a leading 0 and at least one separator: bare digits are mostly ids.
_PHONE = re.compile(
    r"(?<![\w.+:-])(?<![0-9] )(?:\+|00)[1-9][0-9]{0,2}(?:[ ./()-]{0,2}[0-9]){6,12}(?![\w.:-]?\w)"
    r"|(?<![\w.+:-])(?<![0-9] )\(?0[1-9][0-9]{1,4}\)?[ /.-](?:[ ./-]?[0-9]){5,10}(?![\w:-]?\w)"
)
_IP = re.compile(
    r"(?<![\w.:-])(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})(?![\w:-]|\.\d)"
)

_LETTER_VALUE = 55  # "A" counts 10
_IBAN_MIN, _IBAN_MAX = 15, 34
_LONGEST = 4096  # no need to search a document for an address


def looks_personal(text: str) -> tuple[Looks, ...]:
    """Return what a text seems to hold, in the order of the enumeration; at most its first 4,096 characters count."""
    text = text[:_LONGEST]
    found = []
    if _EMAIL.search(text):
        found.append(Looks.EMAIL)
    ibans = any(_is_iban(match[0]) for match in _IBAN.finditer(text))
    addresses = any(_is_ip(match[0]) for match in _IP.finditer(text))
    if _PHONE.search(text) and not ibans and not addresses:
        found.append(Looks.PHONE)
    if addresses:
        found.append(Looks.IP)
    if ibans:
        found.append(Looks.IBAN)
    return tuple(found)


def _is_iban(text: str) -> bool:
    """Check the two digits behind the country (ISO 7064, MOD 97-10)."""
    compact = text.replace(" ", "")
    if not _IBAN_MIN <= len(compact) <= _IBAN_MAX:
        return False
    moved = compact[4:] + compact[:4]
    digits = "".join(letter if letter.isdigit() else str(ord(letter) - _LETTER_VALUE) for letter in moved)
    return int(digits) % 97 == 1


def _is_ip(text: str) -> bool:
    """Leave out what the standard library calls no address, and version numbers such as 0.0.0.0."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not address.is_unspecified
