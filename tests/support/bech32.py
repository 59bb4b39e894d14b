"""P2TR and other segwit addresses to their scripts and back, as far as the vectors need it (BIP-173, BIP-350)."""

from __future__ import annotations

_LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_CONSTANT = {0: 1, 1: 0x2BC830A3}  # the checksum's constant by witness version
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_HRP = "bc"


def _regroup(values: bytes, have: int, want: int) -> list[int]:
    bits = "".join(f"{value:0{have}b}" for value in values)
    if want == 5:
        bits += "0" * (-len(bits) % 5)
    return [int(bits[at : at + want], 2) for at in range(0, len(bits) - want + 1, want)]


def _checksum(values: list[int], constant: int) -> list[int]:
    state = 1
    hrp = [ord(c) >> 5 for c in _HRP] + [0] + [ord(c) & 31 for c in _HRP]
    for value in [*hrp, *values, *([0] * 6)]:
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ value
        for bit, term in enumerate(_GENERATOR):
            state ^= term if top >> bit & 1 else 0
    state ^= constant
    return [state >> 5 * (5 - at) & 31 for at in range(6)]


def script_of(address: str) -> bytes:
    """Return the script of a segwit address of version 0 or 1; the checksum must be right."""
    values = [_LETTERS.index(letter) for letter in address.removeprefix(_HRP + "1")]
    version, program, checksum = values[0], values[1:-6], values[-6:]
    assert checksum == _checksum([version, *program], _CONSTANT[version])
    data = bytes(_regroup(bytes(program), 5, 8))
    return bytes([0x50 + version if version else 0, len(data)]) + data


def p2tr_address(x_only: bytes) -> str:
    """Return the main-net address of a P2TR output key."""
    values = [1, *_regroup(x_only, 8, 5)]
    return _HRP + "1" + "".join(_LETTERS[value] for value in [*values, *_checksum(values, _CONSTANT[1])])
