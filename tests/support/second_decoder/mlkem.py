"""ML-KEM-768 after FIPS 203: key expansion and derandomised encapsulation, in plain Python.

The names of the standard are kept: `d`, `z` and `m` are its random inputs, 32 bytes each, and here they are arguments.
Not constant in time and slow (some 20 ms a call): for vectors alone.
"""

from __future__ import annotations

import hashlib
from typing import TypeAlias

Poly: TypeAlias = "list[int]"

_Q, _N, _K, _DU, _DV = 3329, 256, 3, 10, 4
_HALF_INVERSE = 3303  # 128^-1 modulo q
PUBLIC_BYTES, PRIVATE_BYTES, CIPHERTEXT_BYTES = 1184, 2400, 1088


def _reversed_bits(number: int) -> int:
    return int(f"{number:07b}"[::-1], 2)


_ZETAS = [pow(17, _reversed_bits(i), _Q) for i in range(128)]
_GAMMAS = [pow(17, 2 * _reversed_bits(i) + 1, _Q) for i in range(128)]


def _g(data: bytes) -> tuple[bytes, bytes]:
    digest = hashlib.sha3_512(data).digest()
    return digest[:32], digest[32:]


def _pack(poly: Poly, bits: int) -> bytes:
    """ByteEncode: little-endian, `bits` bits a coefficient."""
    number = 0
    for i, coefficient in enumerate(poly):
        number |= coefficient << (bits * i)
    return number.to_bytes(32 * bits, "little")


def _unpack(data: bytes, bits: int) -> Poly:
    """ByteDecode without the reduction modulo q, which `reduced` judges."""
    number, mask = int.from_bytes(data, "little"), (1 << bits) - 1
    return [number >> (bits * i) & mask for i in range(_N)]


def _compress(poly: Poly, bits: int) -> Poly:
    return [(((c << bits) + _Q // 2) // _Q) & ((1 << bits) - 1) for c in poly]


def _decompress(poly: Poly, bits: int) -> Poly:
    return [(c * _Q + (1 << (bits - 1))) >> bits for c in poly]


def _ntt(poly: Poly) -> Poly:
    out, index, length = list(poly), 1, 128
    while length >= 2:
        for start in range(0, _N, 2 * length):
            zeta = _ZETAS[index]
            index += 1
            for j in range(start, start + length):
                turned = zeta * out[j + length] % _Q
                out[j + length] = (out[j] - turned) % _Q
                out[j] = (out[j] + turned) % _Q
        length //= 2
    return out


def _inverse_ntt(poly: Poly) -> Poly:
    out, index, length = list(poly), 127, 2
    while length <= 128:
        for start in range(0, _N, 2 * length):
            zeta = _ZETAS[index]
            index -= 1
            for j in range(start, start + length):
                kept = out[j]
                out[j] = (kept + out[j + length]) % _Q
                out[j + length] = zeta * (out[j + length] - kept) % _Q
        length *= 2
    return [c * _HALF_INVERSE % _Q for c in out]


def _times(left: Poly, right: Poly) -> Poly:
    """MultiplyNTTs."""
    out = [0] * _N
    for i, gamma in enumerate(_GAMMAS):
        a0, a1, b0, b1 = left[2 * i], left[2 * i + 1], right[2 * i], right[2 * i + 1]
        out[2 * i] = (a0 * b0 + a1 * b1 * gamma) % _Q
        out[2 * i + 1] = (a0 * b1 + a1 * b0) % _Q
    return out


def _plus(*polys: Poly) -> Poly:
    return [sum(column) % _Q for column in zip(*polys, strict=True)]


def _dot(left: list[Poly], right: list[Poly]) -> Poly:
    return _plus(*(_times(a, b) for a, b in zip(left, right, strict=True)))


def _sample_ntt(seed: bytes) -> Poly:
    stream, out = hashlib.shake_128(seed).digest(168 * 8), []
    for i in range(0, len(stream), 3):
        low, middle, high = stream[i : i + 3]
        out += [c for c in (low + 256 * (middle % 16), middle // 16 + 16 * high) if c < _Q]
    if len(out) < _N:  # happens once in 2^-200 seeds
        raise ArithmeticError("the XOF was read too short")
    return out[:_N]


def _noise(seed: bytes, counter: int) -> Poly:
    """SamplePolyCBD for eta = 2 of PRF(seed, counter)."""
    number = int.from_bytes(hashlib.shake_256(seed + bytes([counter])).digest(128), "little")
    bits = [number >> i & 1 for i in range(1024)]
    return [(bits[4 * i] + bits[4 * i + 1] - bits[4 * i + 2] - bits[4 * i + 3]) % _Q for i in range(_N)]


def _matrix(rho: bytes) -> list[list[Poly]]:
    return [[_sample_ntt(rho + bytes([column, row])) for column in range(_K)] for row in range(_K)]


def keygen(d: bytes, z: bytes) -> tuple[bytes, bytes]:
    """Return (public key of 1,184 bytes, expanded private key of 2,400 bytes)."""
    rho, sigma = _g(d + bytes([_K]))
    matrix = _matrix(rho)
    secret = [_ntt(_noise(sigma, i)) for i in range(_K)]
    error = [_ntt(_noise(sigma, _K + i)) for i in range(_K)]
    public = b"".join(_pack(_plus(_dot(matrix[i], secret), error[i]), 12) for i in range(_K)) + rho
    private = b"".join(_pack(s, 12) for s in secret)
    return public, private + public + hashlib.sha3_256(public).digest() + z


def encapsulate(public: bytes, m: bytes) -> tuple[bytes, bytes]:
    """Return (ciphertext of 1,088 bytes, shared secret of 32 bytes)."""
    shared, randomness = _g(m + hashlib.sha3_256(public).digest())
    t = [_unpack(public[384 * i : 384 * (i + 1)], 12) for i in range(_K)]
    matrix = _matrix(public[384 * _K :])
    y = [_ntt(_noise(randomness, i)) for i in range(_K)]
    parts = []
    for i in range(_K):
        column = [matrix[row][i] for row in range(_K)]
        u = _plus(_inverse_ntt(_dot(column, y)), _noise(randomness, _K + i))
        parts.append(_pack(_compress(u, _DU), _DU))
    message = _decompress(_unpack(m, 1), 1)
    v = _plus(_inverse_ntt(_dot(t, y)), _noise(randomness, 2 * _K), message)
    return b"".join(parts) + _pack(_compress(v, _DV), _DV), shared


def reduced(public: bytes) -> bool:
    """Whether a public key passes the modulus check: every coefficient is below q."""
    return all(c < _Q for i in range(_K) for c in _unpack(public[384 * i : 384 * (i + 1)], 12))
