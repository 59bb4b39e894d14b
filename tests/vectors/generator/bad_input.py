"""What a writer refuses, and what it must take although it looks odd: bad_input.json."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.second_decoder import json_text, writer
from tests.support.second_decoder.reader import RefusedError

from .events import nested

if TYPE_CHECKING:
    from .material import Object

_LONG = "e" * 65536
_NAME = "n" * 65535

REFUSED: dict[str, tuple[bytes, str, str]] = {
    "empty": (b"", "not-json", ""),
    "space-only": (b" \r\n\t", "not-json", ""),
    "words": (b"hello", "not-json", ""),
    "truncated": (b'{"actor_id":"alice"', "not-json", ""),
    "trailing": (b'{"actor_id":"alice"} x', "not-json", ""),
    "two-events": (b'{"a":1}{"a":2}', "not-json", ""),
    "null-at-top": (b"null", "not-json", ""),
    "array-at-top": (b'[{"actor_id":"alice"}]', "not-json", ""),
    "string-at-top": (b'"alice"', "not-json", ""),
    "number-at-top": (b"42", "not-json", ""),
    "true-at-top": (b"true", "not-json", ""),
    "byte-order-mark": (b'\xef\xbb\xbf{"actor_id":"alice"}', "not-json", ""),
    "utf-16": ('{"actor_id":"alice"}'.encode("utf-16"), "not-json", ""),
    "latin-1": (b'{"actor_id":"\xe9"}', "not-json", ""),
    "overlong-utf-8": (b'{"actor_id":"\xc0\xaf"}', "not-json", ""),
    "surrogate-in-utf-8": (b'{"actor_id":"\xed\xa0\x80"}', "not-json", ""),
    "past-unicode": (b'{"actor_id":"\xf4\x90\x80\x80"}', "not-json", ""),
    "lone-high-surrogate": (b'{"actor_id":"\\ud800"}', "not-json", ""),
    "lone-low-surrogate": (b'{"actor_id":"\\udfff"}', "not-json", ""),
    "lone-surrogate-in-name": (b'{"\\ud800":1}', "not-json", ""),
    "lone-surrogate-in-public": (b'{"a":["\\udbff\\ue000"]}', "not-json", ""),
    "nan": (b'{"actor_id":NaN}', "not-json", ""),
    "infinity": (b'{"a":Infinity}', "not-json", ""),
    "minus-infinity": (b'{"a":-Infinity}', "not-json", ""),
    "hexadecimal": (b'{"a":0x10}', "not-json", ""),
    "leading-zero": (b'{"a":007}', "not-json", ""),
    "plus": (b'{"a":+1}', "not-json", ""),
    "trailing-comma": (b'{"a":1,}', "not-json", ""),
    "single-quotes": (b"{'a':1}", "not-json", ""),
    "control-character": (b'{"a":"\x00"}', "not-json", ""),
    "levels-65": (b'{"a":' + nested(64, "1").encode() + b"}", "too-deep", ""),
    "levels-65-sensitive": (b'{"actor_id":' + nested(64, "1").encode() + b"}", "too-deep", ""),
    "levels-900": (b'{"a":' + b"[" * 899 + b"]" * 899 + b"}", "too-deep", ""),
    "past-64-bits": (b'{"a":18446744073709551616}', "number", ""),
    "past-64-bits-sensitive": (b'{"actor_id":18446744073709551616}', "number", ""),
    "past-64-bits-inside": (b'{"actor_id":[{"x":-9223372036854775809}]}', "number", ""),
    "below-64-bits": (b'{"a":-9223372036854775809}', "number", ""),
    "integer-of-5000-digits": (b'{"a":' + b"9" * 5000 + b"}", "number", ""),
    "float-infinite": (b'{"a":1e309}', "number", ""),
    "float-infinite-negative": (b'{"actor_id":-1.0e999}', "number", ""),
    "aegis-there": (b'{"_aegis":{"v":1},"actor_id":"alice"}', "has-aegis", "/_aegis"),
    "aegis-null": (b'{"actor_id":"alice","_aegis":null}', "has-aegis", "/_aegis"),
    "aegis-escaped": (b'{"\\u005faegis":1}', "has-aegis", "/_aegis"),
    "event-id-65536": (f'{{"event_id":"{_LONG}","actor_id":"alice"}}'.encode(), "too-long", "/event_id"),
    "event-id-65536-without-fields": (f'{{"event_id":"{_LONG}"}}'.encode(), "too-long", "/event_id"),
    "event-id-1-MB": (f'{{"event_id":"{"e" * 1_000_000}"}}'.encode(), "too-long", "/event_id"),
    "event-id-65536-in-bytes": (f'{{"event_id":"{"é" * 32768}"}}'.encode(), "too-long", "/event_id"),
    "path-65536": (f'{{"{_NAME}":{{"actor_id":"alice"}}}}'.encode(), "too-long", f"/{_NAME}/actor_id"),
}
DUPLICATES: dict[str, bytes] = {
    "public": b'{"a":1,"a":2,"actor_id":"alice"}',
    "sensitive": b'{"actor_id":"alice","actor_id":"bob"}',
    "sensitive-other-spelling": b'{"actor_id":"alice","\\u0061ctor_id":"bob"}',
    "sensitive-below": b'{"x":[{"signer_id":1,"signer_id":2}]}',
    "event-id": b'{"event_id":"a","event_id":"b","actor_id":"alice"}',
    "inside-a-value": b'{"actor_id":{"a":1,"a":2}}',
    "inside-an-array": b'{"a":[[{"b":1,"c":2,"b":3}]]}',
    "escaped": b'{"a":1,"\\u0061":2}',
    "empty-name": b'{"":1,"":2}',
    "spaced": b'{"a" :1,"a"\t:2}',
    "counted-alike": b'{"actor_id":"a","actor_id":"x\\"\\u003a"}',
    "counted-alike-upper": b'{"actor_id":"a","actor_id":"x\\"\\u003A"}',
    "quote-escaped": b'{"actor_id":"\\u0022:","actor_id":1}',
    "name-of-quotes": b'{"\\":\\"":1,"\\":\\"":2}',
}
TAKEN: dict[str, bytes] = {
    "empty-object": b"{}",
    "white-space": b' \n\t\r{ "actor_id" : "alice" } \n',
    "levels-64": b'{"a":' + nested(63, '"x"').encode() + b"}",
    "levels-64-sensitive": b'{"actor_id":' + nested(63, '"x"').encode() + b"}",
    "largest-integers": b'{"a":18446744073709551615,"actor_id":-9223372036854775808}',
    "largest-integers-sensitive": b'{"a":-9223372036854775808,"actor_id":18446744073709551615}',
    "integer-as-float": b'{"a":1e30,"actor_id":18446744073709551616.0}',
    "underflow": b'{"a":1e-999,"actor_id":-1e-400}',
    "minus-zero": b'{"a":-0,"actor_id":-0.0}',
    "long-fraction": b'{"actor_id":0.1000000000000000055511151231257827021181583404541015625}',
    "long-fraction-beside-a-large-float": b'{"a":1e300,"b":0.1111111111111111111111111,"actor_id":"alice"}',
    "long-fraction-inside": b'{"actor_id":[1e300,-0.9999999999999999999999999]}',
    "long-exponent-beside-a-large-float": b'{"a":1e300,"b":1e-00000000000000000000001,"c":1E+0000000000000000000001}',
    "long-integer-part": b'{"a":1111111111111111111111111.0,"actor_id":1111111111111111111111111e-3}',
    "event-id-number": b'{"event_id":9,"actor_id":"alice"}',
    "event-id-empty": b'{"event_id":"","actor_id":"alice"}',
    "event-id-65535": f'{{"event_id":"{"e" * 65535}","actor_id":"alice"}}'.encode(),
    "path-65535": f'{{"{_NAME[:-10]}":{{"actor_id":"alice"}}}}'.encode(),
    "public-name-very-long": f'{{"{_NAME * 2}":1,"actor_id":"alice"}}'.encode(),
    "imitation": b'{"a":{"_encrypted":true,"_algorithm":"x25519+ml-kem-768+aes-256-gcm"}}',
    "imitation-whole": b'{"actor_id":{"_encrypted":true,"_algorithm":"x25519+ml-kem-768+aes-256-gcm",'
    b'"_dek_version":"dek-v1-20260101","_ciphertext":"","_plaintext_hash":"","_encrypted_at":"2026-01-01T00:00:00Z"}}',
    "aegis-below": b'{"a":{"_aegis":{"v":1}},"actor_id":"alice"}',
    "unexpected-types": b'{"actor_id":{"first":"a"},"author_id":[1],"workflow_id":false,"signer_id":null,'
    b'"requested_by":1.5}',
    "nul-character": b'{"actor_id":"a\\u0000b","a":"\\u0000"}',
    "delete-character": b'{"actor_id":"\x7f"}',
    "surrogate-pair": b'{"actor_id":"\\ud83d\\ude00"}',
    "no-duplicate-quotes": b'{"a":"\\":\\"","b":"\\u0022:","c\\":":{"a":1},"d":["\\u003a","\\":"]}',
    "no-duplicate-case": b'{"a":1,"A":2," a":3,"a ":4}',
    "names-empty": b'{"":{"":{"actor_id":"alice"}}}',
}


def bad_input() -> list[Object]:
    """Make the content; `raw` is base64 where it is no text."""
    made: list[Object] = []
    for name, (raw, reason, path) in REFUSED.items():
        if not (name.startswith("path-") or _judged(raw) in (reason, "")):
            raise AssertionError(name, _judged(raw))
        made.append({"name": name, "raw": raw, "outcome": "refused", "reason": reason, "path": path})
    for raws, expected in ((DUPLICATES, True), (TAKEN, False)):
        wrong = [name for name, raw in raws.items() if json_text.has_duplicate(raw) is not expected]
        if wrong:
            raise AssertionError(wrong)
    made += [
        {"name": f"duplicate-{name}", "raw": raw, "outcome": "refused-or-last"} for name, raw in DUPLICATES.items()
    ]
    for name, raw in TAKEN.items():
        if _judged(raw):
            raise AssertionError(name)
        made.append({"name": name, "raw": raw, "outcome": "taken"})
    return made


def _judged(raw: bytes) -> str:
    try:
        writer.accept(raw)
    except RefusedError as error:
        return error.reason
    return ""
