"""Override events: two custodians sign the same request within its 24 hours.

    hash = SHA-256(LP("aegis-stream/v1/override") ‖ LP(override_id) ‖ LP(requested_by) ‖ LP(requested_at)
                   ‖ LP(expires_at) ‖ LP(override_justification))
    combined_hash = hex of SHA-256(Risk Lead's signature ‖ Security Lead's signature)

Rules, in this order: the five members and their forms; a window of at most 24 hours; what signatures there are, each by
a key of its role; judged within the window; different keys, none revoked by then; `signer_id` where there is one names
one of them; both have signed; the combined hash.

Who has signed is told apart from that, whichever rule is broken: else an audit of a stolen key would miss just what its
thief did against the rules.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aegis_stream.custodian.bip322 import SIGNATURE_BYTES, BIP322Provider
from aegis_stream.custodian.provider import custodian_key_id
from aegis_stream.errors import AegisError, KeyRefusedError, OverrideReason
from aegis_stream.keyring.strict_json import parse_time
from aegis_stream.wire import b64decode, lp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_WINDOW = dt.timedelta(hours=24)
CLOCK_SKEW = dt.timedelta(minutes=5)
RISK_SIGNATURE = "risk_lead_signature"
SECURITY_SIGNATURE = "security_lead_signature"
COMBINED_HASH = "combined_hash"

_CONTEXT = b"aegis-stream/v1/override"
_SIGNED = ("override_id", "requested_by", "requested_at", "expires_at", "override_justification")
_WRONG_SIGNATURE = {
    RISK_SIGNATURE: OverrideReason.RISK_SIGNATURE,
    SECURITY_SIGNATURE: OverrideReason.SECURITY_SIGNATURE,
}


class OverrideRefusedError(AegisError):
    """An override event breaks a rule; `path` is the JSON Pointer of the member, empty for the whole event."""

    def __init__(self, reason: OverrideReason, path: str = "") -> None:
        """Name the rule and the member, never a value."""
        super().__init__(f"override not verified: {reason}" + (f" at {path}" if path else ""), reason=reason)
        self.override_reason = reason
        self.path = path


@dataclass(frozen=True, slots=True)
class CustodianKey:
    """A public key that a role has or had; `revoked_at` is the moment from which its signatures count no more."""

    public: bytes
    revoked_at: dt.datetime | None = None

    @property
    def key_id(self) -> str:
        """The first 16 hex digits of SHA-256 of the key; what `signer_id` holds."""
        return custodian_key_id(self.public)


@dataclass(frozen=True, slots=True)
class CustodianKeys:
    """All keys of both roles, the revoked ones too: an audit judges old decisions by old keys."""

    risk_lead: Sequence[CustodianKey]
    security_lead: Sequence[CustodianKey]


@dataclass(frozen=True, slots=True)
class OverrideRequest:
    """What both custodians sign, as the texts stand in the event, and the window in which they may."""

    override_id: str
    requested_by: str = field(repr=False)
    requested_at: str
    expires_at: str
    override_justification: str = field(repr=False)
    begin: dt.datetime
    end: dt.datetime

    @classmethod
    def from_event(cls, event: Mapping[str, object]) -> OverrideRequest:
        """Take the five members.  Raises OverrideRefusedError: MALFORMED, WINDOW."""
        texts = {name: _text(event, name) for name in _SIGNED}
        begin, end = _time(texts, "requested_at"), _time(texts, "expires_at")
        if not dt.timedelta(0) < end - begin <= MAX_WINDOW:
            raise OverrideRefusedError(OverrideReason.WINDOW, "/expires_at")
        return cls(**texts, begin=begin, end=end)

    def message_hash(self) -> bytes:
        """Return the 32 bytes that both sign.  Raises OverrideRefusedError(MALFORMED): a text is too long, no UTF-8."""
        return _hash({name: getattr(self, name) for name in _SIGNED})


@dataclass(frozen=True, slots=True)
class OverrideVerdict:
    """The judgement of one event; `reason` is None where it is verified.

    `risk_key` and `security_key` are the ids of the custodians' keys, of whichever role, by which the two signatures
    are right, empty where there is none; also in an event that breaks another rule.
    """

    reason: OverrideReason | None
    path: str = ""
    override_id: str = ""
    risk_key: str = ""
    security_key: str = ""

    @property
    def verified(self) -> bool:
        """True where every rule holds."""
        return self.reason is None


def is_override_event(event: Mapping[str, object]) -> bool:
    """Tell whether an event claims to be about an override."""
    return "override_id" in event


def combined_hash(risk_signature: bytes, security_signature: bytes) -> str:
    """Return the hex SHA-256 of both signatures, Risk Lead's first."""
    return hashlib.sha256(risk_signature + security_signature).hexdigest()


def signed_hash(event: Mapping[str, object]) -> bytes | None:
    """Return the 32 bytes that the signatures of an event are over, None where the five members are no such texts.

    Their window is not looked at: what was signed against the rules was signed all the same.
    """
    try:
        return _hash({name: _text(event, name) for name in _SIGNED})
    except OverrideRefusedError:
        return None


def verify_override(event: Mapping[str, object], *, keys: CustodianKeys, at: dt.datetime) -> OverrideVerdict:
    """Judge an override event in the clear as of `at`: now, or in an audit the time of its record."""
    signers = _signers(event, keys)
    override_id = event.get("override_id")
    try:
        _judge(event, keys, at, signers)
    except OverrideRefusedError as error:
        reason: OverrideReason | None = error.override_reason
        path = error.path
    else:
        reason, path = None, ""
    return OverrideVerdict(
        reason=reason,
        path=path,
        override_id=override_id if isinstance(override_id, str) else "",
        risk_key=signers[RISK_SIGNATURE].key_id if RISK_SIGNATURE in signers else "",
        security_key=signers[SECURITY_SIGNATURE].key_id if SECURITY_SIGNATURE in signers else "",
    )


def _signers(event: Mapping[str, object], keys: CustodianKeys) -> dict[str, CustodianKey]:
    """Return whose signatures are right, by their members, the keys of the member's own role tried first."""
    message = signed_hash(event)
    found = {}
    for name, candidates in (
        (RISK_SIGNATURE, (*keys.risk_lead, *keys.security_lead)),
        (SECURITY_SIGNATURE, (*keys.security_lead, *keys.risk_lead)),
    ):
        try:
            signature = _signature(event, name)
        except OverrideRefusedError:
            continue
        signer = None if message is None or signature is None else _signer(candidates, message, signature)
        if signer is not None:
            found[name] = signer
    return found


def _judge(
    event: Mapping[str, object], keys: CustodianKeys, at: dt.datetime, signers: Mapping[str, CustodianKey]
) -> None:
    """Apply the rules in order."""
    request = OverrideRequest.from_event(event)
    request.message_hash()  # its texts may be too long
    signatures = {name: _signature(event, name) for name in (RISK_SIGNATURE, SECURITY_SIGNATURE)}
    for name, own in ((RISK_SIGNATURE, keys.risk_lead), (SECURITY_SIGNATURE, keys.security_lead)):
        if signatures[name] is None:
            continue
        if name not in signers:
            raise OverrideRefusedError(_WRONG_SIGNATURE[name], f"/{name}")
        if signers[name] not in own:
            raise OverrideRefusedError(OverrideReason.SAME_SIGNER, f"/{name}")
    _check_window(request, at)
    _check_signers(event, signers, at)
    if len(signers) < len(signatures):
        raise OverrideRefusedError(OverrideReason.PARTIAL if signers else OverrideReason.PENDING)
    risk, security = signatures[RISK_SIGNATURE], signatures[SECURITY_SIGNATURE]
    if risk is None or security is None or event.get(COMBINED_HASH) != combined_hash(risk, security):
        raise OverrideRefusedError(OverrideReason.COMBINED_HASH, f"/{COMBINED_HASH}")


def _check_window(request: OverrideRequest, at: dt.datetime) -> None:
    if at < request.begin - CLOCK_SKEW:
        raise OverrideRefusedError(OverrideReason.NOT_YET_VALID, "/requested_at")
    if at >= request.end:
        raise OverrideRefusedError(OverrideReason.EXPIRED, "/expires_at")


def _check_signers(event: Mapping[str, object], signers: Mapping[str, CustodianKey], at: dt.datetime) -> None:
    if len(signers) > len({signer.public for signer in signers.values()}):
        raise OverrideRefusedError(OverrideReason.SAME_SIGNER)
    for name, signer in signers.items():
        if signer.revoked_at is not None and at >= signer.revoked_at:
            raise OverrideRefusedError(OverrideReason.REVOKED, f"/{name}")
    if "signer_id" in event and event["signer_id"] not in [signer.key_id for signer in signers.values()]:
        raise OverrideRefusedError(OverrideReason.SIGNER_ID, "/signer_id")


def _hash(texts: Mapping[str, str]) -> bytes:
    """Return the hash of the five members."""
    return hashlib.sha256(lp(_CONTEXT) + b"".join(_packed(texts[name], name) for name in _SIGNED)).digest()


def _signature(event: Mapping[str, object], name: str) -> bytes | None:
    """Return 64 bytes, or None where the member is absent or null: that custodian has not signed yet."""
    text = event.get(name)
    if text is None:
        return None
    raw = b""
    if isinstance(text, str):
        try:
            raw = b64decode(text)
        except KeyRefusedError:
            raw = b""
    if len(raw) != SIGNATURE_BYTES:
        raise OverrideRefusedError(OverrideReason.MALFORMED, f"/{name}")
    return raw


def _signer(keys: Sequence[CustodianKey], message: bytes, signature: bytes) -> CustodianKey | None:
    provider = BIP322Provider()
    return next((key for key in keys if provider.verify(key.public, message, signature)), None)


def _text(event: Mapping[str, object], name: str) -> str:
    text = event.get(name)
    if not isinstance(text, str) or not text:
        raise OverrideRefusedError(OverrideReason.MALFORMED, f"/{name}")
    return text


def _time(texts: Mapping[str, str], name: str) -> dt.datetime:
    moment = parse_time(texts[name])
    if moment is None:
        raise OverrideRefusedError(OverrideReason.MALFORMED, f"/{name}")
    return moment


def _packed(text: str, name: str) -> bytes:
    packed: bytes | None
    try:
        packed = lp(text.encode())
    except (UnicodeEncodeError, AegisError):
        packed = None
    if packed is None:  # outside the handler: a UnicodeEncodeError carries the text
        raise OverrideRefusedError(OverrideReason.MALFORMED, f"/{name}")
    return packed
