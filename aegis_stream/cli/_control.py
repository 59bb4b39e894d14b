"""Encrypt and decrypt under the deployment's keys, as the control topic names them at this moment."""

from __future__ import annotations

import asyncio

from aegis_stream.client.control import control_follower
from aegis_stream.client.reading import open_decryptor
from aegis_stream.encryption import PIIDecryptor, PIIEncryptor
from aegis_stream.errors import BrokerError, BrokerReason, ConfigurationError
from aegis_stream.session_signer import SessionSigner
from aegis_stream.settings import Settings, load_settings


def active_encryptor() -> PIIEncryptor:
    """Return an encryptor to the active DEK, with its policy and, where AEGIS_SESSION_SIGNING_KEY is set, signed.

    Raises ConfigurationError (the DEK wants signed sessions and there is no key for them), BrokerError,
    ManifestRefusedError.
    """
    return asyncio.run(_active_encryptor(load_settings()))


async def _active_encryptor(settings: Settings) -> PIIEncryptor:
    async with control_follower(settings, purpose="enricher", writes=True) as follower:
        await follower.wait_ready(settings.control_wait_s)
        active = follower.keyring.active()
    if active is None:
        raise BrokerError(
            BrokerReason.CONTROL_EMPTY,
            f"{settings.topic_control} has no record of the active DEK",
            remedy="see that the rotation agent runs (`aegis run rotator`): it puts records right",
        )
    key = settings.session_signing_key
    if active.signed and key is None:
        raise ConfigurationError(
            f"the sessions of {active.version.text} have to be signed and AEGIS_SESSION_SIGNING_KEY is not set",
            remedy="set it to the key of an enrolled enricher, or encrypt to a key of your own with --public-key",
        )
    return PIIEncryptor(
        public_key=active.public_key.raw,
        dek_version=active.version.text,
        policy=active.policy,
        signer=None if key is None else SessionSigner.from_seed(key.get_secret_value()),
        engine=settings.engine,
    )


def keyring_decryptor() -> PIIDecryptor:
    """Return a decryptor over the keyring as it is now, with the KEK of the environment.

    Raises BrokerError, ManifestRefusedError, KEKError.
    """
    return asyncio.run(_keyring_decryptor(load_settings()))


async def _keyring_decryptor(settings: Settings) -> PIIDecryptor:
    async with open_decryptor(settings) as (decryptor, _):
        return decryptor
