"""Asking a KEK's keeper for a wrap and an unwrap now, as provisioning and `aegis doctor` do."""

from __future__ import annotations

import hmac
import os
from typing import TYPE_CHECKING

from aegis_stream.errors import KEKError, KEKReason
from aegis_stream.kek import choice
from aegis_stream.kek import variables as v
from aegis_stream.kek.aws_kms import KMSWrappingKey
from aegis_stream.kek.hsm import wrapping_key
from aegis_stream.kek.kms_context import context_of, read_context
from aegis_stream.kek.secret import Secret
from aegis_stream.wire import kek_id

if TYPE_CHECKING:
    from aegis_stream.kek.variables import Variables

_PROBE_BYTES = 32


def probe_keeper(variables: Variables, name: str) -> str | None:
    """Let KMS or the HSM wrap random bytes and unwrap them again; returns what did it, None for other providers.

    KMS needs kms:Encrypt for it, which a reader's role may lack: KEKError(DENIED) then.  Raises KEKError and
    KEKUnavailableError.
    """
    probe = Secret(os.urandom(_PROBE_BYTES))
    if name == choice.KMS:
        context = context_of(kek_id(variables.key_bytes(v.MASTER_KEK_PUBLIC).reveal()), read_context(variables))
        with KMSWrappingKey(variables.text(v.KMS_KEY_ID)) as key:
            back = key.unwrap(key.wrap(probe, context=context), context=context)
        what = "AWS KMS"
    elif name == choice.HSM:
        with wrapping_key(variables) as token_key:
            back = token_key.unwrap(token_key.wrap(probe))
            what = f"PKCS#11 mechanism {token_key.mechanism():#x}"
    else:
        return None
    if not hmac.compare_digest(back.reveal(), probe.reveal()):
        raise KEKError(KEKReason.WRONG_KEY, f"{what} gives back other bytes than it was given")
    return what
