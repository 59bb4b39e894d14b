"""`aegis kek provision`: what it prints is all that a deployment needs, and nothing that must not be shown."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
from typing import TYPE_CHECKING, Any

import dotenv
import pytest
import yaml

from aegis_stream.cli import main
from aegis_stream.hybrid import HybridPrivateKey
from aegis_stream.kek import EnvironmentKEKProvider, check_kek, get_kek_provider
from aegis_stream.wire import b64decode, b64encode, kek_id
from tests.support.leaks import traces_of_key

if TYPE_CHECKING:
    from pathlib import Path

    from aegis_stream.hybrid import HybridKeypair
    from tests.support.kms_endpoint import KmsEndpoint
    from tests.support.softhsm import HsmToken, SoftHsm

GUIDE = {
    "kms": ["KMS_KEY_ID", "KMS_WRAPPED_PRIVATE_KEY", "MASTER_KEK_PUBLIC"],
    "hsm": [
        "HSM_PKCS11_LIB",
        "HSM_TOKEN_LABEL",
        "HSM_WRAPPING_KEY_LABEL",
        "HSM_WRAPPED_PRIVATE_KEY",
        "MASTER_KEK_PUBLIC",
    ],
    "environment": ["MASTER_KEK_PUBLIC", "MASTER_KEK_PRIVATE"],
}


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AEGIS_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def key_id(kms_endpoint: KmsEndpoint) -> str:
    """Return a KMS key."""
    return kms_endpoint.create_key()


@pytest.fixture(scope="session")
def token(softhsm: SoftHsm) -> HsmToken:
    """Return a token without keys."""
    return softhsm.token("provision 'it' $HOME #1")


@pytest.fixture
def hsm_options(token: HsmToken, tmp_path: Path) -> list[str]:
    """Return the options of a wrapping key that is made for the test."""
    pin_file = tmp_path / "pin"
    pin_file.write_text(token.pin + "\n")
    pin_file.chmod(0o600)
    label = f"key {tmp_path.name}"
    options = ["--library", token.library, "--token-label", token.label, "--wrapping-key-label", label]
    return [*options, "--make-wrapping-key", "--pin-file", str(pin_file)]


def run(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> tuple[str, str]:
    """Run a command; returns what it wrote to standard output and to standard error."""
    capsys.readouterr()
    assert main(["kek", "provision", *words]) == code
    return tuple(capsys.readouterr())


def read_env(text: str, tmp_path: Path) -> dict[str, str]:
    """Let a shell read it."""
    (tmp_path / "env").write_text(text)
    script = 'set -a; . "$1"; env -0'
    done = subprocess.run(
        ["/bin/sh", "-c", script, "sh", str(tmp_path / "env")], check=True, capture_output=True, env={}
    )
    pairs = (pair.partition("=")[::2] for pair in done.stdout.decode().split("\0") if pair)
    return {name: value for name, value in pairs if name.startswith("AEGIS_")}


def read_compose(text: str, _: Path) -> dict[str, Any]:
    """Let the usual parser of such files read it."""
    return dict(dotenv.dotenv_values(stream=io.StringIO(text), interpolate=False))


def read_kubernetes(text: str, _: Path) -> dict[str, str]:
    """Read it as YAML."""
    secret = yaml.safe_load(text)
    assert (secret["apiVersion"], secret["kind"], secret["type"]) == ("v1", "Secret", "Opaque")
    assert secret["metadata"] == {"name": "aegis-kek"}
    found: dict[str, str] = secret["stringData"]
    return found


def read_json(text: str, _: Path) -> dict[str, str]:
    """Read it as JSON."""
    found: dict[str, str] = json.loads(text)
    return found


READERS = {"env": read_env, "compose": read_compose, "kubernetes": read_kubernetes, "json": read_json}


@pytest.mark.kms
@pytest.mark.parametrize("form", READERS)
def test_kms_prints_the_guides_variables(
    capsys: pytest.CaptureFixture[str], key_id: str, tmp_path: Path, form: str
) -> None:
    """They are copied into a deployment as they stand."""
    out, err = run(capsys, "kms", "--key-id", key_id, "--format", form)
    environ = READERS[form](out, tmp_path)
    assert sorted(environ) == sorted(f"AEGIS_{name}" for name in GUIDE["kms"])
    provider = get_kek_provider(environ=environ)
    check_kek(provider)
    assert provider.kek_id in err


@pytest.mark.hsm
@pytest.mark.parametrize("form", READERS)
def test_hsm_prints_the_guides_variables_but_for_the_pin(
    capsys: pytest.CaptureFixture[str], hsm_options: list[str], token: HsmToken, tmp_path: Path, form: str
) -> None:
    """Labels may hold anything that a shell would take for more; the PIN comes from elsewhere."""
    out, err = run(capsys, "hsm", *hsm_options, "--format", form)
    environ = READERS[form](out, tmp_path)
    assert sorted(environ) == sorted(f"AEGIS_{name}" for name in GUIDE["hsm"])
    assert environ["AEGIS_HSM_TOKEN_LABEL"] == token.label
    assert token.pin not in out + err
    assert "AEGIS_HSM_PIN" in err
    check_kek(get_kek_provider(environ={**environ, "AEGIS_HSM_PIN": token.pin}))


@pytest.mark.parametrize("form", READERS)
def test_environment_prints_the_guides_variables(capsys: pytest.CaptureFixture[str], tmp_path: Path, form: str) -> None:
    """This form alone holds the private key, and says so."""
    out, err = run(capsys, "environment", "--format", form)
    environ = READERS[form](out, tmp_path)
    assert sorted(environ) == sorted(f"AEGIS_{name}" for name in GUIDE["environment"])
    assert "private key in the clear" in err
    check_kek(EnvironmentKEKProvider(environ=environ))
    assert traces_of_key(b64decode(environ["AEGIS_MASTER_KEK_PRIVATE"]), err) == []


@pytest.mark.kms
@pytest.mark.hsm
def test_private_key_of_kms_and_hsm_is_never_shown(
    capsys: pytest.CaptureFixture[str], key_id: str, hsm_options: list[str], kek_pair: HybridKeypair, tmp_path: Path
) -> None:
    """Terminals scroll back, and pipelines keep what they print."""
    path = key_file(tmp_path, kek_pair)
    shown = "".join(run(capsys, "kms", "--key-id", key_id, "--private-key", path))
    shown += "".join(run(capsys, "hsm", *hsm_options, "--private-key", path))
    assert traces_of_key(kek_pair.private, shown) == []
    assert shown.count(kek_id(kek_pair.public)) >= 2


def key_file(tmp_path: Path, pair: HybridKeypair) -> str:
    """Write a private key as key files are."""
    path = tmp_path / "kek.key"
    path.write_text(b64encode(pair.private) + "\n")
    path.chmod(0o600)
    return str(path)


@pytest.mark.kms
def test_existing_key_moves_with_its_id(
    capsys: pytest.CaptureFixture[str], key_id: str, kek_pair: HybridKeypair, tmp_path: Path
) -> None:
    """From the environment to KMS without wrapping one DEK again."""
    out, _ = run(capsys, "kms", "--key-id", key_id, "--private-key", key_file(tmp_path, kek_pair), "--format", "json")
    provider = get_kek_provider(environ=json.loads(out))
    assert provider.kek_id == kek_id(kek_pair.public)
    check_kek(provider)


@pytest.mark.kms
def test_next_kek_gets_its_own_names(capsys: pytest.CaptureFixture[str], key_id: str) -> None:
    """During a rotation both sets stand side by side."""
    out, _ = run(capsys, "kms", "--key-id", key_id, "--next", "--format", "json")
    environ = json.loads(out)
    assert all(name.startswith("AEGIS_NEXT_") for name in environ)
    check_kek(get_kek_provider(prefix="AEGIS_NEXT_", environ=environ))


@pytest.mark.kms
def test_added_context_is_printed_too(capsys: pytest.CaptureFixture[str], key_id: str) -> None:
    """Without it the deployment could not decrypt."""
    options = ["--encryption-context", "deployment=payments", "--encryption-context", "stage=a=b"]
    out, _ = run(capsys, "kms", "--key-id", key_id, *options, "--format", "json")
    environ = json.loads(out)
    assert json.loads(environ["AEGIS_KMS_ENCRYPTION_CONTEXT"]) == {"deployment": "payments", "stage": "a=b"}
    check_kek(get_kek_provider(environ=environ))


@pytest.mark.kms
def test_key_id_may_come_from_the_environment(
    capsys: pytest.CaptureFixture[str], key_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is set already where a KEK is made anew."""
    monkeypatch.setenv("AEGIS_KMS_KEY_ID", key_id)
    out, _ = run(capsys, "kms")
    assert key_id in out


def test_output_is_a_new_file_of_mode_0600(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A shell's redirection would make it readable for everybody."""
    path = tmp_path / "kek.env"
    out, err = run(capsys, "environment", "--output", str(path))
    assert out == ""
    assert "MASTER_KEK_PRIVATE" in err
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_text()
    check_kek(EnvironmentKEKProvider(environ=read_env(before, tmp_path)))
    _, err = run(capsys, "environment", "--output", str(path), code=2)
    assert "never overwritten" in err
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["kms"], 2, "AEGIS_KMS_KEY_ID"),
        (["kms", "--next"], 2, "AEGIS_NEXT_KMS_KEY_ID"),
        (["kms", "--key-id", "alias/x", "--encryption-context", "nonsense"], 2, "NAME=VALUE"),
        (["hsm"], 2, "AEGIS_HSM_PKCS11_LIB"),
        (["hsm", "--library", "x", "--token-label", "x", "--wrapping-key-label", "x"], 2, "--pin-file"),
        (["environment", "--private-key", "/nowhere"], 2, "/nowhere"),
        (["kms"], 2, "--key-id"),
        (["hsm", "--library", "x"], 2, "--token-label"),
        (["environment", "--output", "/nowhere/kek.env"], 2, "/nowhere"),
        (["environment", "--format", "kubernetes", "--secret-name", "Bad Name"], 2, "--secret-name"),
    ],
)
def test_missing_input_is_named(capsys: pytest.CaptureFixture[str], words: list[str], code: int, told: str) -> None:
    """The next command is in the error."""
    out, err = run(capsys, *words, code=code)
    assert out == ""
    assert err.startswith("aegis: error: ")
    assert told in err


def test_damaged_private_key_is_refused_without_showing_it(
    capsys: pytest.CaptureFixture[str], kek_pair: HybridKeypair, tmp_path: Path
) -> None:
    """A public key, a truncated one and one with a changed byte."""
    damaged = bytearray(kek_pair.private)
    damaged[1200] ^= 1
    for raw in (kek_pair.public, kek_pair.private[:-1], bytes(damaged)):
        path = tmp_path / "damaged"
        path.write_text(b64encode(raw))
        path.chmod(0o600)
        out, err = run(capsys, "environment", "--private-key", str(path), code=1)
        assert out == ""
        assert traces_of_key(kek_pair.private, err) == []


@pytest.mark.hsm
def test_output_that_cannot_be_written_is_refused_before_a_key_is_made(
    capsys: pytest.CaptureFixture[str], hsm_options: list[str], tmp_path: Path
) -> None:
    """Else the token would hold a key for nothing, and the second try would find its label taken."""
    path = tmp_path / "hsm.env"
    path.write_text("an earlier one")
    _, err = run(capsys, "hsm", *hsm_options, "--output", str(path), code=2)
    assert "never overwritten" in err
    run(capsys, "hsm", *hsm_options, "--output", str(tmp_path / "another.env"))


@pytest.mark.kms
def test_failed_provisioning_prints_nothing_to_use(
    capsys: pytest.CaptureFixture[str], key_id: str, kms_endpoint: KmsEndpoint
) -> None:
    """What was not opened again must not look like a result."""
    kms_endpoint.set_state(key_id, "Disabled")
    out, err = run(capsys, "kms", "--key-id", key_id, code=3)
    assert out == ""
    assert "disabled" in err


def test_made_key_is_fresh_each_time(capsys: pytest.CaptureFixture[str]) -> None:
    """Two deployments must not share a KEK."""
    made = {run(capsys, "environment", "--format", "json")[0] for _ in range(2)}
    assert len(made) == 2
    for text in made:
        HybridPrivateKey.from_bytes(b64decode(json.loads(text)["AEGIS_MASTER_KEK_PRIVATE"]))
