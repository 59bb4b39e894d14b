"""Odd events for the comparison of the two engines: raw ones, and encrypted ones that were changed."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.dice import Dice

HOLDERS = ("actor_id", "ActorId", "signer id", "event_id", "a", "list", "people", "_encrypted", "_aegis")
ODD_CHARACTERS = (
    *('\\"', "\\\\", "\\/", "\\u0000", "\\ud83d\\ude00", "\\ud800", "\\udc00", "\\ud800\\u0041", "\\uD800\\uDFFF"),
    *('"', "\\", "\\x", "\\u12", "\x00", "\x1f", "\x7f", "\u0080", "\ud7ff", "\ue000", "\uffff", "\U0010ffff"),
)
RESPELLINGS = (
    (b'"_aegis"', b'"_a\\u0065gis"'),
    (b'"actor_id"', b'"act\\u006fr_id"'),
    (b'"event_id"', b'"event\\u005Fid"'),
    (b'"_ciphertext"', b'"_ciphertex\\u0074"'),
    (b'"v":1', b'"v":1.0'),
    (b'"v":1', b'"v":1e0'),
    (b"/", b"\\/"),
    (b"A", b"\\u0041"),
    (b":", b" : "),
    (b",", b"\t,\r\n"),
    (b"{", b'{"actor_id":1,'),
    (b"{", b'{"_aegis":1,'),
    (b"}", b',"_aegis":{}}'),
    (b"=", b""),
    (b'="', b'=="'),
)
_LIMITS = (2**53, 2**63, 2**64, 10**18, 10**19, 10**20)


def _spoiled_text(dice: Dice) -> bytes:
    return dice.spoil_bytes(dice.text().encode())


def _clean_text(dice: Dice) -> bytes:
    indent = dice.choice((None, None, None, 1, "\t"))
    return json.dumps(dice.event(4, 8), ensure_ascii=dice.random() < 0.5, indent=indent).encode()


def _nested(dice: Dice) -> bytes:
    return f'{{"{dice.choice(HOLDERS)}":{dice.nest(dice.randint(59, 68))}}}'.encode()


def _many_members(dice: Dice) -> bytes:
    names = [f"n{dice.randint(0, 999)}" for _ in range(dice.randint(15, 40))]
    if dice.random() < 0.5:
        names += [dice.choice(HOLDERS[:-1]), dice.choice(HOLDERS[:-1])]
    dice.shuffle(names)
    members = ",".join(f'"{name}":{number}' for number, name in enumerate(names))
    return (f'{{"a":{{{members}}}}}' if dice.random() < 0.3 else f"{{{members}}}").encode()


def _long_string(dice: Dice) -> bytes:
    before, after = dice.choice("ab\u00e9 ") * dice.randint(0, 70), "c" * dice.randint(0, 40)
    odd = dice.choice((*ODD_CHARACTERS, "", "", "", "")) if dice.random() < 0.9 else chr(dice.randint(0, 0x2FF))
    return f'{{"{dice.choice(HOLDERS)}":"{before}{odd}{after}"}}'.encode("utf-8", "surrogatepass")


def _number(dice: Dice) -> bytes:
    digits = (
        str(dice.choice(_LIMITS) + dice.randint(-2, 2))
        if dice.random() < 0.5
        else "".join(dice.choices("0123456789", k=dice.randint(1, 25)))
    )
    fraction = dice.choice(("", "", "", ".", ".0", ".5", "." + "1" * dice.randint(1, 40)))
    exponent = dice.choice(("", "", "", f"e{dice.randint(-330, 330)}", f"E+{dice.randint(0, 310)}", "e"))
    text = dice.choice(("", "", "-")) + digits + fraction + exponent
    return dice.choice((f'{{"{dice.choice(HOLDERS)}":{text}}}', f'{{"x":[{text}],"actor_id":{{"n":{text}}}}}')).encode()


def _imitation(dice: Dice) -> bytes:
    members = ['"actor_id":1', f'"{dice.choice(HOLDERS)}":{{"signer_id":[2]}}', '"_ciphertext":3', '"_encrypted":true']
    dice.shuffle(members)
    inner = f"{{{','.join(members[: dice.randint(2, 4)])}}}"
    value = dice.choice((inner, f"[{inner},{inner}]"))
    return f'{{"{dice.choice(("x", "*", "a/b", "~"))}":{value},"actor_id":0}}'.encode()


_KINDS: tuple[Callable[[Dice], bytes], ...] = (
    *(_spoiled_text, _spoiled_text, _spoiled_text, _clean_text, _clean_text),
    *(_nested, _many_members, _long_string, _number, _imitation),
)


def raw_event(dice: Dice) -> bytes:
    """Make the text of an event as a producer may send it, or of something near one."""
    raw = dice.choice(_KINDS)(dice)
    return dice.spoil_bytes(raw) if dice.random() < 0.1 else raw


def _other_tail(dice: Dice, protected: bytes) -> bytes:
    """Change the last characters of one base64 text: the bits that canonical base64 leaves unset."""
    ends = [at for at in range(len(protected)) if protected.startswith(b'="', at)] or [len(protected)]
    end = dice.choice(ends)
    start = end - (2 if protected[end - 1 : end] == b"=" else 1)
    tail = dice.choice((*b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=",))
    return protected[:start] + bytes((tail,)) + protected[start + 1 :]


def changed(dice: Dice, protected: bytes, other: bytes) -> bytes:
    """Change an encrypted event: its members, its spelling or its bytes.  other: an event to take members from."""
    roll = dice.random()
    if roll < 0.1:
        return protected
    if roll < 0.15:
        return _other_tail(dice, protected)
    if roll < 0.3:
        return dice.spoil_bytes(protected)
    if roll < 0.5:
        old, new = dice.choice(RESPELLINGS)
        return protected.replace(old, new, dice.choice((1, 1, 2, -1)))
    event: dict[str, Any] = orjson.loads(protected)
    if roll < 0.6:
        members = list(event.items())
        dice.shuffle(members)
        event = dict(members)
    elif roll < 0.7:
        foreign: dict[str, Any] = orjson.loads(other)
        name = dice.choice(sorted(foreign))
        event[name] = copy.deepcopy(foreign[name])
    else:
        for _ in range(dice.choice((1, 1, 1, 2))):
            dice.change(event)
    return json.dumps(event, ensure_ascii=dice.random() < 0.5, indent=dice.choice((None, None, None, 1))).encode()
