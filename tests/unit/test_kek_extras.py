"""Without the extras a clear word, and nothing else that stops working."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from aegis_stream.errors import KEKError, KEKReason
from aegis_stream.kek import AWSKMSKEKProvider, HSMKEKProvider

if TYPE_CHECKING:
    from aegis_stream.hybrid import HybridKeypair


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the vendors' packages impossible to import."""
    for name in [name for name in sys.modules if name.partition(".")[0] in {"boto3", "botocore", "pkcs11"}]:
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("boto3", "boto3.session", "botocore", "botocore.config", "pkcs11"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.usefixtures("bare")
def test_kms_names_its_extra(kek_pair: HybridKeypair) -> None:
    """The operator's next command is in the error."""
    with pytest.raises(KEKError) as caught:
        AWSKMSKEKProvider(kms_key_id="alias/x", wrapped_private_key=b"x", public_key_bytes=kek_pair.public)
    assert caught.value.reason == KEKReason.EXTRA_MISSING
    assert "aegis-stream[kms]" in caught.value.remedy


@pytest.mark.usefixtures("bare")
def test_hsm_names_its_extra(kek_pair: HybridKeypair) -> None:
    """The operator's next command is in the error."""
    with pytest.raises(KEKError) as caught:
        HSMKEKProvider(
            pkcs11_lib="x",
            token_label="x",
            pin="x",
            wrapping_key_label="x",
            wrapped_private_key=bytes(2440),
            public_key_bytes=kek_pair.public,
        )
    assert caught.value.reason == KEKReason.EXTRA_MISSING
    assert "aegis-stream[hsm]" in caught.value.remedy


def test_importing_the_package_loads_no_vendor() -> None:
    """boto3 takes a quarter of a second and is not there in most installations."""
    code = "import sys, aegis_stream.kek; print([n for n in ('boto3', 'botocore', 'pkcs11') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
