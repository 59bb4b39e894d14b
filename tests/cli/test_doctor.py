"""`aegis doctor` without a broker: settings, libraries and the KEK."""

from __future__ import annotations

import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from aegis_stream.cli import main
from aegis_stream.cli._checks import custody as custody_checks
from aegis_stream.hybrid import HybridKEM
from aegis_stream.wire import b64encode, kek_id
from tests.support.custody import EnvironmentCustody, HsmCustody, KmsCustody
from tests.support.kms_endpoint import Fault
from tests.support.leaks import traces_of_key

if TYPE_CHECKING:
    from aegis_stream.hybrid import HybridKeypair
    from tests.support.custody import Custody
    from tests.support.kms_endpoint import KmsEndpoint
    from tests.support.softhsm import SoftHsm

Row = dict[str, Any]


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AEGIS_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def hsm_custody(softhsm: SoftHsm) -> HsmCustody:
    """Return a token with its wrapping keys."""
    return HsmCustody(softhsm.token("doctor"))


@pytest.fixture
def kms_custody(kms_endpoint: KmsEndpoint) -> KmsCustody:
    """Return two keys of the endpoint that fails as told."""
    return KmsCustody(kms_endpoint.create_key(), kms_endpoint.create_key())


def configure(monkeypatch: pytest.MonkeyPatch, custody: Custody, pair: HybridKeypair, prefix: str = "AEGIS_") -> None:
    """Set the variables of a provider."""
    for name, value in custody.variables(custody.blob(pair), pair.public, prefix=prefix).items():
        monkeypatch.setenv(name, value)


def look(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Row]:
    """Run it; returns the worst row of each area and what."""
    capsys.readouterr()
    code = main(["doctor", "--json", *words])
    told = json.loads(capsys.readouterr().out)
    assert code == (0 if told["safe"] else 1)
    assert told["safe"] == all(row["status"] != "failed" for row in told["checks"])
    assert all(row["remedy"] for row in told["checks"] if row["status"] in {"failed", "warning"})
    ranks = ["skipped", "ok", "warning", "failed"]
    rows = sorted(told["checks"], key=lambda row: ranks.index(row["status"]))
    return {f"{row['area']}/{row['what']}": row for row in rows}


def test_doctor_shows_versions_and_tries_mechanisms(capsys: pytest.CaptureFixture[str]) -> None:
    """The first thing that a report of a problem needs."""
    rows = look(capsys)
    for package in ("aegis-stream", "cryptography", "pqcrypto", "aiokafka", "boto3", "python-pkcs11"):
        assert rows[f"machine/{package}"]["found"][0].isdigit()
    assert rows["machine/OpenSSL"]["found"].startswith("OpenSSL ")
    for mechanism in ("X25519 with ML-KEM-768", "Ed25519 with ML-DSA-44", "AES-256-GCM"):
        assert rows[f"machine/{mechanism}"]["found"] == "works"
    assert rows["clock/set"]["status"] == "ok"


def test_clock_that_was_never_set_is_not_safe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every manifest would be refused, with a message about its age."""
    monkeypatch.setattr(time, "time", lambda: 1_000_000_000.0)
    row = look(capsys)["clock/set"]
    assert (row["status"], row["found"]) == ("failed", "2001-09-09T01:46:40Z")


def test_wrong_setting_is_named_and_what_needs_settings_is_skipped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bad variable must not hide the rest."""
    monkeypatch.setenv("AEGIS_ENVIRONMENT", "produktion")
    monkeypatch.setenv("AEGIS_MASTER_KEK_PRIVAT", "x")
    rows = look(capsys)
    assert "AEGIS_ENVIRONMENT" in rows["settings/variables"]["found"]
    assert rows["settings/variables"]["status"] == "failed"
    assert "AEGIS_MASTER_KEK_PRIVATE" in rows["settings/AEGIS_MASTER_KEK_PRIVAT"]["remedy"]
    assert rows["kafka/"]["status"] == "skipped"


@pytest.mark.parametrize(
    ("role", "status"), [(None, "warning"), ("reader", "failed"), ("enricher", "ok"), ("rotator", "ok")]
)
def test_missing_kek_matters_to_readers(capsys: pytest.CaptureFixture[str], role: str | None, status: str) -> None:
    """Enricher and rotator must not even have one."""
    assert look(capsys, *(["--for", role] if role else []))["kek/provider"]["status"] == status


@pytest.mark.parametrize("role", ["enricher", "rotator"])
def test_kek_where_none_is_needed_is_warned_of(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, kek_pair: HybridKeypair, role: str
) -> None:
    """A stolen enricher opens nothing, as long as nobody gives it the KEK."""
    configure(monkeypatch, EnvironmentCustody(), kek_pair)
    row = look(capsys, "--for", role)["kek/provider"]
    assert row["status"] == "warning"
    assert role in row["remedy"]


def test_environment_kek_is_used_and_warned_of(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, kek_pair: HybridKeypair
) -> None:
    """It works, and it is software only."""
    configure(monkeypatch, EnvironmentCustody(), kek_pair)
    rows = look(capsys)
    assert rows["kek/provider"]["status"] == "warning"
    assert rows["kek/provider: a DEK"]["found"] == "wrapped and unwrapped"
    assert rows["kek/provider: keeper"]["status"] == "skipped"


@pytest.mark.kms
def test_kms_is_asked_for_a_wrap_and_an_unwrap(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    kms_custody: KmsCustody,
    kms_endpoint: KmsEndpoint,
    kek_pair: HybridKeypair,
) -> None:
    """Loading decrypts; the keeper's row encrypts as well."""
    configure(monkeypatch, kms_custody, kek_pair)
    kms_endpoint.requests.clear()
    rows = look(capsys)
    assert rows["kek/provider"]["found"] == f"kms (AEGIS_KMS_KEY_ID is set), {kek_id(kek_pair.public)}"
    assert rows["kek/provider: keeper"]["found"] == "AWS KMS wraps and unwraps now"
    assert kms_endpoint.requests == ["Decrypt", "Encrypt", "Decrypt"]


@pytest.mark.kms
def test_role_that_may_only_decrypt_is_no_failure(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    kms_custody: KmsCustody,
    kms_endpoint: KmsEndpoint,
    kek_pair: HybridKeypair,
) -> None:
    """A reader's role has kms:Decrypt alone, and that is right."""
    configure(monkeypatch, kms_custody, kek_pair)
    kms_endpoint.faults = [None, Fault.DENIED]
    rows = look(capsys)
    assert rows["kek/provider"]["status"] == "ok"
    assert rows["kek/provider: keeper"]["status"] == "warning"


TROUBLE = {"stopped": "AWS_ENDPOINT_URL_KMS", "disabled": "enable-key", "denied": "kms:Decrypt"}


@pytest.fixture(params=TROUBLE)
def kms_in_trouble(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    kms_custody: KmsCustody,
    kms_endpoint: KmsEndpoint,
    kek_pair: HybridKeypair,
) -> str:
    """Configure KMS and break it; returns a word of what must be done."""
    configure(monkeypatch, kms_custody, kek_pair)
    if request.param == "stopped":
        kms_endpoint.stop()
    elif request.param == "disabled":
        kms_endpoint.set_state(kms_custody.key_id, "Disabled")
    else:
        kms_endpoint.fault = Fault.DENIED
    return TROUBLE[request.param]


@pytest.mark.kms
def test_kms_in_trouble_is_not_safe(capsys: pytest.CaptureFixture[str], kms_in_trouble: str) -> None:
    """Each trouble with what to do about it."""
    row = look(capsys)["kek/provider"]
    assert row["status"] == "failed"
    assert kms_in_trouble in row["remedy"]


def test_keeper_that_never_answers_is_a_failure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call into a PKCS#11 library may not return; a doctor who waits with it tells nothing."""
    hung = threading.Event()
    monkeypatch.setattr(custody_checks, "_PATIENCE_S", 0.01)
    monkeypatch.setattr(custody_checks, "get_kek_provider", lambda **_: hung.wait())
    monkeypatch.setenv("AEGIS_MASTER_KEK_PUBLIC", "x")
    monkeypatch.setenv("AEGIS_MASTER_KEK_PRIVATE", "x")
    row = look(capsys, "--for", "reader")["kek/provider"]
    hung.set()
    assert row["status"] == "failed"
    assert "has not answered" in row["found"]


@pytest.mark.hsm
def test_hsm_is_asked_for_a_wrap_and_an_unwrap(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    hsm_custody: HsmCustody,
    kek_pair: HybridKeypair,
) -> None:
    """It also says which mechanism the token has."""
    configure(monkeypatch, hsm_custody, kek_pair)
    rows = look(capsys)
    assert rows["kek/provider"]["status"] == "ok"
    assert rows["kek/provider: keeper"]["found"] == "PKCS#11 mechanism 0x210a wraps and unwraps now"


def test_next_kek_is_looked_at_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, kek_pair: HybridKeypair
) -> None:
    """Before a rotation somebody wants to know that readers will find it."""
    configure(monkeypatch, EnvironmentCustody(), kek_pair)
    configure(monkeypatch, EnvironmentCustody(), HybridKEM.generate_keypair(), "AEGIS_NEXT_")
    assert look(capsys)["kek/next provider: a DEK"]["status"] == "ok"
    monkeypatch.delenv("AEGIS_NEXT_MASTER_KEK_PRIVATE")
    row = look(capsys)["kek/next provider"]
    assert row["status"] == "failed"
    assert "AEGIS_NEXT_MASTER_KEK_PUBLIC" in row["found"]


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_doctor_shows_no_secret(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, kek_pair: HybridKeypair, form: list[str]
) -> None:
    """Its output is what people paste into tickets, also when keys do not fit or are swapped."""
    seed = "QUVHSVMtc2VlZC1vZi1hLXNlc3Npb24ta2V5LS0hISE="
    monkeypatch.setenv("AEGIS_SESSION_SIGNING_KEY", seed)
    for private, public in (
        (kek_pair.private, kek_pair.public),
        (kek_pair.private, HybridKEM.generate_keypair().public),
        (kek_pair.public, kek_pair.private),
    ):
        monkeypatch.setenv("AEGIS_MASTER_KEK_PRIVATE", b64encode(private))
        monkeypatch.setenv("AEGIS_MASTER_KEK_PUBLIC", b64encode(public))
        main(["doctor", *form])
    told = "".join(capsys.readouterr())
    assert traces_of_key(kek_pair.private, told.replace("\n", "")) == []
    assert seed not in told


def test_table_says_what_to_do(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """For people the same, in columns."""
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "AEGIS_BROKER is not set" in out
    assert "set AEGIS_BROKER" in out
    assert "not safe to start: 1 failed" in out
