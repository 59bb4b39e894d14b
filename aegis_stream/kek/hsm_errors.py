"""What PKCS#11 libraries answer when they do not serve, and what follows from it for the operator."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from aegis_stream.errors import KEKError, KEKReason, KEKUnavailableError


class Kind(Enum):
    """What to do about an error of a PKCS#11 call."""

    LOST = auto()  # the session, the token or the device is gone: begin anew, a bounded number of times
    UNCLEAR = auto()  # libraries say this of a damaged blob as well as of a device in trouble: a self-test decides
    FINAL = auto()  # trying again changes nothing


@dataclass(frozen=True, slots=True)
class Failure:
    """A vendor error in our words.  It holds no PIN and no key."""

    kind: Kind
    reason: KEKReason
    message: str
    remedy: str

    def error(self) -> KEKError:
        """Return the error to raise, outside the handler of the vendor's one."""
        kind = KEKError if self.kind is Kind.FINAL else KEKUnavailableError
        return kind(self.reason, self.message, remedy=self.remedy)


def final(reason: KEKReason, message: str, remedy: str) -> Failure:
    """Return a failure that no second try changes."""
    return Failure(Kind.FINAL, reason, message, remedy)


def lost(
    message: str, remedy: str = "look at the device, its connection and its service; it is tried again"
) -> Failure:
    """Return a failure that may pass."""
    return Failure(Kind.LOST, KEKReason.UNAVAILABLE, message, remedy)


NO_EXTRA = final(
    KEKReason.EXTRA_MISSING, "an HSM needs python-pkcs11, which is not installed", 'pip install "aegis-stream[hsm]"'
)
PIN_WRONG = final(
    KEKReason.BAD_CREDENTIALS,
    "the HSM refuses the PIN",
    "set the right AEGIS_HSM_PIN and start again; this process does not try the refused one again, so that it does "
    "not lock the token",
)
PIN_LAST_TRY = final(
    KEKReason.BAD_CREDENTIALS,
    "the HSM has one try of the PIN left, and it is not spent here",
    "log in once with the vendor's tool and the right PIN; that resets the counter",
)
PIN_UNUSABLE = final(
    KEKReason.BAD_CREDENTIALS,
    "the PIN of the HSM's user is locked, expired or not set",
    "let the security officer set a new PIN (for SoftHSM2: softhsm2-util --init-token, or C_InitPIN)",
)
BAD_BLOB = final(
    KEKReason.BAD_BLOB,
    "the HSM refuses the wrapped private key: it is damaged, or was wrapped under another key",
    "take the wrapped private key of the provisioning under this wrapping key",
)
NO_KEY = final(
    KEKReason.WRONG_KEY,
    "the token has no AES key with the wrapping key's label",
    "look at AEGIS_HSM_WRAPPING_KEY_LABEL and at the token's keys (pkcs11-tool --list-objects --login); "
    "`aegis kek provision hsm --make-wrapping-key` makes one",
)
TWO_KEYS = final(
    KEKReason.CONFLICT,
    "the token has several AES keys with the wrapping key's label",
    "give the wrapping key a label of its own",
)
LABEL_TAKEN = final(
    KEKReason.CONFLICT,
    "the token has an AES key with this label already",
    "use it as it is, or make the new one under another label",
)
NOT_AES_256 = final(
    KEKReason.WRONG_KEY, "the wrapping key is no AES-256 key", "make the wrapping key with 32 bytes (CKM_AES_KEY_GEN)"
)

_UNCLEAR = frozenset({"GeneralError", "DeviceError", "FunctionFailed", "ArgumentsBad"})
_BLOB = frozenset(
    {"WrappedKeyInvalid", "WrappedKeyLenRange", "EncryptedDataInvalid", "EncryptedDataLenRange", "DataInvalid"}
)
_UNSUPPORTED = frozenset(
    {
        "MechanismInvalid",
        "MechanismParamInvalid",
        "FunctionNotSupported",
        "KeyTypeInconsistent",
        "UnwrappingKeyTypeInconsistent",
        "WrappingKeyTypeInconsistent",
        "UnwrappingKeySizeRange",
        "WrappingKeySizeRange",
        "KeySizeRange",
        "KeyNotWrappable",
        "KeyUnextractable",
        "TemplateInconsistent",
        "TemplateIncomplete",
        "AttributeTypeInvalid",
        "AttributeValueInvalid",
        "AttributeReadOnly",
        "AttributeSensitive",
    }
)
_BY_NAME = {
    "PinIncorrect": PIN_WRONG,
    "PinInvalid": PIN_WRONG,
    "PinLenRange": PIN_WRONG,
    "PinLocked": PIN_UNUSABLE,
    "PinExpired": PIN_UNUSABLE,
    "UserPinNotInitialized": PIN_UNUSABLE,
    "NoSuchKey": NO_KEY,
    "MultipleObjectsReturned": TWO_KEYS,
    "MultipleTokensReturned": final(
        KEKReason.CONFLICT, "several tokens have the label", "give the token a label of its own"
    ),
} | dict.fromkeys(_BLOB, BAD_BLOB)


def explain(name: str) -> Failure:
    """Say in our words what an exception of python-pkcs11 means; `name` is that of its class.

    What is not known counts as lost: the next try begins with a fresh session, and there are few of them.
    """
    known = _BY_NAME.get(name)
    if known is not None:
        return known
    if name in _UNSUPPORTED:
        return final(
            KEKReason.UNSUPPORTED,
            f"the HSM cannot wrap and unwrap the private key with this key and mechanism ({name})",
            "the wrapping key needs CKA_WRAP and CKA_UNWRAP, the token a mechanism for RFC 5649 and generic secrets "
            "of 2,432 bytes; docs/hsm.md lists tokens",
        )
    if name in _UNCLEAR:
        return Failure(Kind.UNCLEAR, KEKReason.UNAVAILABLE, f"the HSM fails ({name})", lost("").remedy)
    return lost(f"the HSM is away or ended the session ({name})")
