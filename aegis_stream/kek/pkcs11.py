"""The one place that knows python-pkcs11: what is asked of a token, in the words of the rest."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from aegis_stream.kek import hsm_errors
from aegis_stream.kek.secret import Secret

if TYPE_CHECKING:
    from aegis_stream.kek.hsm_errors import Failure

AES_KEY_WRAP_PAD = 0x210A
AES_KEY_WRAP_KWP = 0x210B
_AES_256_BYTES = 32
_PROBE_BYTES = 32


class TokenState(NamedTuple):
    """What a token says of itself: all of it public."""

    label: str
    serial: str
    manufacturer: str
    mechanisms: frozenset[int]
    final_try: bool
    locked: bool

    def unfit_for_login(self) -> Failure | None:
        """Return why no PIN is tried on this token; the last try is left to a person."""
        if self.locked:
            return hsm_errors.PIN_UNUSABLE
        return hsm_errors.PIN_LAST_TRY if self.final_try else None


class Access(NamedTuple):
    """An open session and the wrapping key as that session knows it."""

    session: Any
    key: Any
    mechanism: int


def installed() -> bool:
    """Tell whether python-pkcs11 is there."""
    try:
        import pkcs11  # noqa: F401, PLC0415 - only with the extra hsm
    except ImportError:
        return False
    return True


def open_library(path: str) -> Any:  # noqa: ANN401 - python-pkcs11 has no type for it
    """Load a library and initialize it as python-pkcs11 does: for one thread."""
    import pkcs11  # noqa: PLC0415 - only with the extra hsm

    return pkcs11.lib(path)


def explain(error: Exception) -> Failure:
    """Say in our words what an exception of python-pkcs11 means."""
    return hsm_errors.explain(type(error).__name__)


def find_token(library: Any, label: str) -> Any | Failure:  # noqa: ANN401 - no type in python-pkcs11
    """Return the token with a label, or what is wrong; tokens that are not there yet may come."""
    tokens = tokens_of(library)
    found = [token for token in tokens if token.label == label]
    if len(found) == 1:
        return found[0]
    if found:
        return hsm_errors.explain("MultipleTokensReturned")
    others = ", ".join(sorted({token.label for token in tokens if token.label})) or "none"
    return hsm_errors.lost(
        f"no token has the label that is set (there: {others})",
        "look at AEGIS_HSM_TOKEN_LABEL, and whether the token is plugged in or its service is reachable",
    )


def tokens_of(library: Any) -> list[Any]:  # noqa: ANN401 - as above
    """Return the tokens that can be asked; one slot without a usable token must not hide the others."""
    from pkcs11.exceptions import PKCS11Error  # noqa: PLC0415 - only with the extra hsm

    tokens = []
    for slot in library.get_slots(token_present=True):
        with suppress(PKCS11Error):
            tokens.append(slot.get_token())
    return tokens


def state_of(token: Any) -> TokenState:  # noqa: ANN401 - no type in python-pkcs11
    """Return what a token says of itself."""
    from pkcs11.constants import TokenFlag  # noqa: PLC0415 - only with the extra hsm

    return TokenState(
        label=token.label,
        serial=token.serial.decode("latin-1"),
        manufacturer=token.manufacturer_id.strip(),
        mechanisms=frozenset(int(mechanism) for mechanism in token.slot.get_mechanisms()),
        final_try=bool(token.flags & TokenFlag.USER_PIN_FINAL_TRY),
        locked=bool(token.flags & TokenFlag.USER_PIN_LOCKED),
    )


def login(token: Any, pin: Secret[str]) -> Any | Failure:  # noqa: ANN401 - as above
    """Log in as the user; returns the session that must stay open, or what is wrong."""
    from pkcs11.exceptions import PKCS11Error, UserAlreadyLoggedIn  # noqa: PLC0415 - only with the extra hsm

    try:
        return token.open(user_pin=pin.reveal())
    except UserAlreadyLoggedIn:  # by other code of this process; its sessions are ours as well
        return token.open()
    except UnicodeEncodeError:  # no PIN has bytes outside UTF-8, and the error would quote it
        return hsm_errors.PIN_WRONG
    except PKCS11Error as error:
        return explain(error)


def open_access(token: Any, key_label: str, mechanism: int) -> Access | Failure:  # noqa: ANN401 - as above
    """Open a session on a token that is logged in, and find the wrapping key; a failure leaves no session open."""
    session = token.open()
    found: Any | Failure = hsm_errors.NO_KEY
    try:
        keys = _keys(session, key_label)
        if keys:
            found = _fit(keys)
    finally:
        if isinstance(found, hsm_errors.Failure):
            session.close()
    return found if isinstance(found, hsm_errors.Failure) else Access(session, found, mechanism)


def _fit(keys: list[Any]) -> Any | Failure:  # noqa: ANN401 - as above
    """Return the one key if it is of AES-256."""
    from pkcs11.constants import Attribute  # noqa: PLC0415 - only with the extra hsm

    if len(keys) > 1:
        return hsm_errors.TWO_KEYS
    return keys[0] if keys[0][Attribute.VALUE_LEN] == _AES_256_BYTES else hsm_errors.NOT_AES_256


def _keys(session: Any, key_label: str) -> list[Any]:  # noqa: ANN401 - as above
    """Return all AES keys with a label; the search is read to its end, or it would outlive the session."""
    from pkcs11.constants import Attribute, ObjectClass  # noqa: PLC0415 - only with the extra hsm
    from pkcs11.mechanisms import KeyType  # noqa: PLC0415 - only with the extra hsm

    wanted = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.KEY_TYPE: KeyType.AES, Attribute.LABEL: key_label}
    return list(session.get_objects(wanted))


def make_key(token: Any, key_label: str) -> None:  # noqa: ANN401 - as above
    """Make an AES-256 key that stays in the token and only wraps and unwraps; the token is logged in."""
    from pkcs11.constants import Attribute, MechanismFlag  # noqa: PLC0415 - only with the extra hsm
    from pkcs11.mechanisms import KeyType  # noqa: PLC0415 - only with the extra hsm

    session = token.open(rw=True)
    try:
        session.generate_key(
            KeyType.AES,
            _AES_256_BYTES * 8,
            label=key_label,
            store=True,
            capabilities=MechanismFlag.WRAP | MechanismFlag.UNWRAP,
            template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
        )
    finally:
        session.close()


def has_key(token: Any, key_label: str) -> bool:  # noqa: ANN401 - as above
    """Tell whether an AES key has the label; the token is logged in."""
    session = token.open()
    try:
        return bool(_keys(session, key_label))
    finally:
        session.close()


def wrap(access: Access, raw: Secret[bytes]) -> bytes:
    """Put the bytes into the token for a moment and wrap them."""
    from pkcs11.constants import Attribute, ObjectClass  # noqa: PLC0415 - only with the extra hsm
    from pkcs11.mechanisms import KeyType  # noqa: PLC0415 - only with the extra hsm

    inside = access.session.create_object(
        {
            Attribute.CLASS: ObjectClass.SECRET_KEY,
            Attribute.KEY_TYPE: KeyType.GENERIC_SECRET,
            Attribute.VALUE: raw.reveal(),
            Attribute.TOKEN: False,
            Attribute.SENSITIVE: False,
            Attribute.EXTRACTABLE: True,
        }
    )
    try:
        return bytes(access.key.wrap_key(inside, mechanism=_mechanism(access.mechanism)))
    finally:
        inside.destroy()


def unwrap(access: Access, wrapped: bytes) -> Secret[bytes]:
    """Unwrap into the session, read the bytes and destroy the object."""
    from pkcs11.constants import Attribute, ObjectClass  # noqa: PLC0415 - only with the extra hsm
    from pkcs11.mechanisms import KeyType  # noqa: PLC0415 - only with the extra hsm

    inside = access.key.unwrap_key(
        ObjectClass.SECRET_KEY,
        KeyType.GENERIC_SECRET,
        wrapped,
        mechanism=_mechanism(access.mechanism),
        store=False,
        template={Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True},
    )
    try:
        return Secret(bytes(inside[Attribute.VALUE]))
    finally:
        inside.destroy()


def works(access: Access) -> bool:
    """Wrap and unwrap random bytes: tells a device in trouble from a blob that is damaged."""
    import pkcs11  # noqa: PLC0415 - only with the extra hsm

    try:
        probe = Secret(access.session.generate_random(_PROBE_BYTES * 8))
        return bool(unwrap(access, wrap(access, probe)).reveal() == probe.reveal())
    except pkcs11.PKCS11Error:
        return False


def _mechanism(number: int) -> Any:  # noqa: ANN401 - an enumeration of python-pkcs11
    """Return a mechanism by its number, also one of a vendor's that the enumeration does not have."""
    from pkcs11.mechanisms import Mechanism  # noqa: PLC0415 - only with the extra hsm

    if number in Mechanism._value2member_map_:
        return Mechanism(number)
    unlisted = int.__new__(Mechanism, number)
    unlisted._name_, unlisted._value_ = f"vendor {number:#x}", number
    return unlisted
