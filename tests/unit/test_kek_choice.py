"""Which KEK provider a configuration means."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from aegis_stream.errors import KEKError, KEKReason
from aegis_stream.kek import InMemoryKEKProvider, check_kek, get_kek_provider
from aegis_stream.kek.choice import Choice, choose
from aegis_stream.kek.variables import Variables
from aegis_stream.wire import b64encode

if TYPE_CHECKING:
    from aegis_stream.hybrid import HybridKeypair

KMS = {"AEGIS_KMS_KEY_ID": "alias/x", "AEGIS_KMS_WRAPPED_PRIVATE_KEY": "eA=="}
HSM = {
    "AEGIS_HSM_PKCS11_LIB": "x.so",
    "AEGIS_HSM_TOKEN_LABEL": "x",
    "AEGIS_HSM_PIN": "x",
    "AEGIS_HSM_WRAPPING_KEY_LABEL": "x",
    "AEGIS_HSM_WRAPPED_PRIVATE_KEY": "eA==",
}
PRIVATE = {"AEGIS_MASTER_KEK_PRIVATE": "eA=="}
PUBLIC = {"AEGIS_MASTER_KEK_PUBLIC": "eA=="}


def chosen(environ: dict[str, str], name: str | None = None) -> Choice:
    """Return the choice for an environment."""
    return choose(Variables(environ=environ), name)


@pytest.mark.parametrize(
    ("environ", "name", "unused"),
    [
        (KMS | HSM | PRIVATE | PUBLIC, "kms", ("hsm", "environment")),
        (HSM | PRIVATE | PUBLIC, "hsm", ("environment",)),
        (PRIVATE | PUBLIC, "environment", ()),
        ({}, "in_memory", ()),
    ],
)
def test_order_is_the_guides(environ: dict[str, str], name: str, unused: tuple[str, ...]) -> None:
    """KMS, HSM, environment, in-memory, by what is set; what stays unused is said."""
    choice = chosen(environ)
    assert (choice.name, choice.unused) == (name, unused)
    assert choice.because


def test_half_of_a_better_provider_is_no_reason_to_take_the_next() -> None:
    """A lost variable must not silently move the KEK from KMS into the environment."""
    with pytest.raises(KEKError, match="AEGIS_KMS_WRAPPED_PRIVATE_KEY") as caught:
        chosen({"AEGIS_KMS_KEY_ID": "alias/x"} | PRIVATE | PUBLIC)
    assert caught.value.reason == KEKReason.INCOMPLETE


def test_public_key_alone_is_half_a_configuration() -> None:
    """The rotation agent has only that; a reader with it has lost the rest and must not get a key in memory."""
    with pytest.raises(KEKError, match="AEGIS_MASTER_KEK_PUBLIC") as caught:
        chosen(PUBLIC)
    assert caught.value.reason == KEKReason.INCOMPLETE
    assert "AEGIS_MASTER_KEK_PRIVATE" in caught.value.remedy


def test_unknown_name_is_refused_with_the_known_ones() -> None:
    """A spelling mistake in a call must not choose anything."""
    with pytest.raises(KEKError) as caught:
        get_kek_provider("vault", environ={})
    assert caught.value.reason == KEKReason.NOT_CONFIGURED
    assert "in_memory" in caught.value.remedy


def test_library_call_without_configuration_gets_a_key_in_memory(caplog: pytest.LogCaptureFixture) -> None:
    """The guide's last resort, with a warning that its keys are lost."""
    with caplog.at_level(logging.WARNING, logger="aegis_stream.kek"):
        provider = get_kek_provider(environ={})
    assert isinstance(provider, InMemoryKEKProvider)
    check_kek(provider)
    assert "cannot be read once this process has ended" in caplog.text


def test_topologies_never_get_a_key_in_memory_by_themselves() -> None:
    """A forgotten variable would otherwise encrypt for nobody."""
    with pytest.raises(KEKError) as caught:
        get_kek_provider(environ={}, allow_in_memory=False)
    assert caught.value.reason == KEKReason.NOT_CONFIGURED
    assert "aegis kek provision" in caught.value.remedy


def test_each_prefix_is_its_own_configuration() -> None:
    """During a rotation the next KEK must not be mistaken for the current one."""
    environ = KMS | PUBLIC | {"AEGIS_NEXT_HSM_PIN": "x"}
    assert chosen(environ).name == "kms"
    with pytest.raises(KEKError, match="AEGIS_NEXT_HSM_PKCS11_LIB") as caught:
        choose(Variables(prefix="AEGIS_NEXT_", environ=environ))
    assert caught.value.reason == KEKReason.INCOMPLETE


def test_unused_configuration_is_warned_of(kek_pair: HybridKeypair, caplog: pytest.LogCaptureFixture) -> None:
    """Two configured providers are mostly a left-over, and the wrong one may be in use."""
    environ = {
        "AEGIS_MASTER_KEK_PRIVATE": b64encode(kek_pair.private),
        "AEGIS_MASTER_KEK_PUBLIC": b64encode(kek_pair.public),
    }
    with caplog.at_level(logging.WARNING, logger="aegis_stream.kek"):
        get_kek_provider("environment", environ=KMS | environ)
    assert "configured as well and not used: kms" in caplog.text
