"""BIP-340 in plain Python integers: slow, not constant in time, and without a line of the code under test."""

from __future__ import annotations

import hashlib

_P = 2**256 - 2**32 - 977
_N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
_Point = tuple[int, int]


def _tagged(tag: str, *parts: bytes) -> bytes:
    prefix = hashlib.sha256(tag.encode()).digest()
    return hashlib.sha256(prefix * 2 + b"".join(parts)).digest()


def _add(a: _Point | None, b: _Point | None) -> _Point | None:
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and a[1] != b[1]:
        return None
    slope = 3 * a[0] ** 2 * pow(2 * a[1], -1, _P) if a == b else (b[1] - a[1]) * pow(b[0] - a[0], -1, _P)
    x = (slope**2 - a[0] - b[0]) % _P
    return x, (slope * (a[0] - x) - a[1]) % _P


def _times(scalar: int, point: _Point) -> _Point | None:
    total: _Point | None = None
    running: _Point | None = point
    while scalar:
        if scalar & 1:
            total = _add(total, running)
        running = _add(running, running)
        scalar >>= 1
    return total


def _lift(x: int) -> _Point | None:
    y_squared = (pow(x, 3, _P) + 7) % _P
    y = pow(y_squared, (_P + 1) // 4, _P)
    if x >= _P or y * y % _P != y_squared:
        return None
    return x, y if y % 2 == 0 else _P - y


def public_key(private: bytes) -> bytes:
    """Return the x-only public key."""
    point = _times(int.from_bytes(private, "big"), _G)
    assert point is not None
    return point[0].to_bytes(32, "big")


def verify(message: bytes, x_only: bytes, signature: bytes) -> bool:
    """Tell whether the signature of 64 bytes is right."""
    point = _lift(int.from_bytes(x_only, "big"))
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if point is None or r >= _P or s >= _N:
        return False
    e = int.from_bytes(_tagged("BIP0340/challenge", signature[:32], x_only, message), "big") % _N
    found = _add(_times(s, _G), _times(_N - e, point))
    return found is not None and found[1] % 2 == 0 and found[0] == r
