"""Random documents, fast: for long differential runs where hypothesis would spend its time on choosing.

A `Dice` is seeded, so that the quick run sees the same documents every time.
"""

from __future__ import annotations

import copy
import json
import random
from typing import Any

NAMES = (
    *(
        "actor_id",
        "signer_id",
        "ActorId",
        "signer id",
        "event_id",
        "a",
        "b",
        "a/b",
        "~",
        "0",
        "1",
        "",
        "people",
        "phone",
    ),
    *("list", "_encrypted", "_ciphertext", "_aegis2", '":"', 'x"', "\\", "\u00e9", "\U0001f600", "\u2028", "\x7f"),
)
NUMBERS = (
    *(
        "0",
        "-0",
        "1",
        "-1",
        "01",
        "1.",
        ".5",
        "1.5",
        "-0.0",
        "1e5",
        "1E+5",
        "1e-5",
        "1e",
        "1e+",
        "1e308",
        "1.8e308",
        "1e309",
    ),
    *("-1e999", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "1e-400"),
    *("18446744073709551615", "18446744073709551616", "18446744073709551615.0", "99999999999999999999", "4.9e-324"),
    *(
        "1" * 19,
        "1" * 40,
        "1" * 309,
        "1" * 310,
        "1" * 25 + ".0",
        "0." + "1" * 30,
        "1e" + "0" * 20 + "1",
        "-",
        "+1",
        "0x1",
    ),
    *(
        "2.2250738585072014e-308",
        "1.7976931348623157e308",
        "1.7976931348623159e308",
        "9007199254740993",
        "0e999",
        "1_0",
    ),
)
NEAR: tuple[Any, ...] = (
    *("", "0" * 32, "0" * 64, "A" * 64, "0" * 16, "AA==", "dek-v1-20260101", "dek-v3-20260401", "2026-01-01T00:00:00Z"),
    *("2026-04-01T12:00:01Z", "2026-02-30T00:00:00Z", "aegis.raw/0/1", "a/b", "x25519+ml-kem-768+aes-256-gcm"),
    *(True, False, None, 0, 1, 1.0, 2, [], {}),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -5, 2**64 - 1, -(2**63), 1.5, 1e300, "", "x", "\u00e9", "a" * 20, '{"a":1}'),
)
BYTES = (
    *(
        b"",
        b'"',
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\\",
        b"\\u",
        b"\\ud800",
        b" ",
        b"0",
        b"e9",
        b"-",
        b"\x00",
        b"\xff",
    ),
    *(b"\xed\xa0\x80", b"\xc3", b"\xef\xbb\xbf", b"\xf4\x90\x80\x80", b"\xc0\x80", b"NaN", b"1e999"),
)
PLAINTEXTS = (
    *(
        b"",
        b'"x"',
        b"\xff",
        b"1 ",
        b" 1",
        b"nul",
        b"[1",
        b'{"a":1,"a":2}',
        b"1e999",
        b"1" * 30,
        b"\xef\xbb\xbf1",
        b"NaN",
    ),
    *(
        b'"\\ud800"',
        b'["\\ud800"]',
        b"\xed\xa0\x80",
        b"[" * 64 + b"]" * 64,
        b"[" * 65 + b"]" * 65,
        b"[" * 2000 + b"]" * 2000,
    ),
    *(
        b"0." + b"1" * 30,
        b"[1e300,0." + b"1" * 30 + b"]",
        b"-0",
        b"01",
        b"1\x00",
        b"1" + b" " * 40,
        b"\xc2\xa01",
        b"\t\r\n{}\n",
    ),
)
_BEYOND_THE_BMP = 0xFFFF


class Dice(random.Random):
    """Chooses; every method makes something random."""

    def value(self, depth: int) -> Any:  # noqa: ANN401 -- any JSON value
        """Make a JSON value."""
        roll = self.random()
        if depth <= 0 or roll < 0.55:
            return self.choice(VALUES)
        if roll < 0.75:
            return [self.value(depth - 1) for _ in range(self.randint(0, 3))]
        return self.event(depth - 1, 3)

    def event(self, depth: int = 3, members: int = 5) -> dict[str, Any]:
        """Make an object."""
        return {self.choice(NAMES): self.value(depth) for _ in range(self.randint(0, members))}

    def _gap(self) -> str:
        return self.choice(("", "", "", "", "", "", " ", "\n", "\t\r"))

    def _string(self) -> str:
        out = ""
        for character in self.choice((*NAMES, "_aegis", "\ufeff")):
            code = ord(character)
            if code > _BEYOND_THE_BMP or self.random() < 0.85:
                out += json.dumps(character, ensure_ascii=self.random() < 0.3)[1:-1]
            else:
                out += f"\\u{code:04x}" if self.random() < 0.5 else f"\\u{code:04X}"
        return f'"{out}"'

    def _text_of_value(self, depth: int) -> str:
        roll = self.random()
        if depth <= 0 or roll < 0.5:
            word = self.choice(("true", "false", "null", "true", "null", "nul", "NaN", "-Infinity"))
            return self._gap() + self.choice((self._string(), self._string(), self.choice(NUMBERS), word)) + self._gap()
        if roll < 0.75:
            return f"{self._gap()}[{','.join(self._text_of_value(depth - 1) for _ in range(self.randint(0, 3)))}]"
        return self.text(depth)

    def text(self, depth: int = 3) -> str:
        """Make the text of an object that is nearly JSON: odd spellings, odd numbers, members told twice."""
        members = [
            f"{self._gap()}{self._string()}{self._gap()}:{self._text_of_value(depth - 1)}"
            for _ in range(self.randint(0, 4))
        ]
        return f"{self._gap()}{{{','.join(members)}{self._gap()}}}{self._gap()}"

    def nest(self, levels: int) -> str:
        """Nest objects and arrays by turns of chance."""
        text = "1"
        for _ in range(levels):
            text = self.choice(("[%s]", '{"a":%s}')) % text
        return text

    def spoil_bytes(self, raw: bytes) -> bytes:
        """Change a document in up to two places."""
        for _ in range(self.choice((0, 0, 1, 1, 2))):
            at, size = self.randrange(len(raw) + 1), self.choice((0, 1, 1, 2, 5))
            raw = raw[:at] + self.choice((*BYTES, raw[at : at + size] * 2)) + raw[at + size :]
        return raw

    def spoil_text(self, text: str) -> str:
        """Change a text, often at its end."""
        if self.random() < 0.5:
            last = self.choice("ABCDwxyz09")
            ends = (
                text + "=",
                text + "==",
                text.rstrip("="),
                text[:-1],
                text + "\n",
                " " + text,
                text.upper(),
                text.lower(),
            )
            return self.choice((*ends, f"{text[:-2]}{last}{text[-1:]}", f"{text[:-3]}{last}{text[-2:]}"))
        at = self.randint(0, len(text))
        new = self.choice(
            ("", "=", "A", "a", "0", "9", "+", "/", "-", "_", " ", "\n", "\u00e9", "\u0660", "AAAA", "\x00")
        )
        return text[:at] + new + text[at + self.randint(0, 2) :]

    def change(self, event: Any) -> None:  # noqa: ANN401 -- any JSON value
        """Change one thing in a JSON value: set, drop, swap, copy, rename or spoil."""
        spots = _places(event)
        if not spots:
            return
        (holder, key), (other, other_key) = self.choice(spots), self.choice(spots)
        action = self.choice(("near", "drop", "swap", "copy", "add", "rename", "text", "text", "text", "value"))
        if action == "near":
            holder[key] = copy.deepcopy(self.choice(NEAR))
        elif action == "drop":
            del holder[key]
        elif action == "swap":
            holder[key], other[other_key] = copy.deepcopy(other[other_key]), copy.deepcopy(holder[key])
        elif action == "copy":
            holder[key] = copy.deepcopy(other[other_key])
        elif action == "add" and isinstance(holder[key], dict):
            holder[key][self.choice((*NAMES, "v", "by", "sig", "src"))] = copy.deepcopy(self.choice(NEAR))
        elif action == "rename" and isinstance(holder, dict):
            holder[self.choice(NAMES)] = holder.pop(key)
        elif action == "text" and isinstance(holder[key], str):
            holder[key] = self.spoil_text(holder[key])
        elif action == "value":
            holder[key] = self.value(2)


def _places(value: Any) -> list[tuple[Any, Any]]:  # noqa: ANN401 -- any JSON value
    found: list[tuple[Any, Any]] = []
    if isinstance(value, dict | list):
        for key, child in list(value.items() if isinstance(value, dict) else enumerate(value)):
            found.append((value, key))
            found += _places(child)
    return found
