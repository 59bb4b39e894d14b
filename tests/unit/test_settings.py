"""Settings: every variable once, errors that name it and never what stood in it, secrets that do not show."""

from __future__ import annotations

import base64
import os
import re
import traceback
from pathlib import Path

import pytest

from aegis_stream.errors import ConfigurationError, KeyReason, KeyRefusedError
from aegis_stream.settings import Settings, load_settings, reference
from tests.support.secret_file import secret_file

ROOT = Path(__file__).parents[2]
SEED = base64.b64encode(bytes(range(32))).decode()
GUIDE = {
    "AEGIS_KMS_KEY_ID",
    "AEGIS_KMS_WRAPPED_PRIVATE_KEY",
    "AEGIS_MASTER_KEK_PUBLIC",
    "AEGIS_MASTER_KEK_PRIVATE",
    "AEGIS_HSM_PKCS11_LIB",
    "AEGIS_HSM_TOKEN_LABEL",
    "AEGIS_HSM_PIN",
    "AEGIS_HSM_WRAPPING_KEY_LABEL",
    "AEGIS_HSM_WRAPPED_PRIVATE_KEY",
}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("AEGIS_"):
            monkeypatch.delenv(name)


def test_defaults_are_those_of_the_documentation() -> None:
    """Topics and life times are agreed between processes that are started apart."""
    settings = load_settings()

    assert (settings.topic_raw, settings.topic_encrypted, settings.topic_control) == (
        "aegis.raw",
        "aegis.encrypted",
        "aegis.control",
    )
    assert (settings.topic_dead_letter, settings.topic_dead_letter_state) == (
        "aegis.dead-letter",
        "aegis.dead-letter-state",
    )
    assert (settings.manifest_life_s, settings.manifest_interval_s, settings.manifest_grace_s) == (3_600, 300, 86_400)
    assert (settings.strict, settings.record_key, settings.source_rewind_limit) == (False, "pseudonym", 100_000)


def test_variables_and_arguments_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command's option wins over the variable; an option that was not given does not."""
    monkeypatch.setenv("AEGIS_BROKER", "a:9092, b:9092")
    monkeypatch.setenv("AEGIS_WEB_PORT", "off")
    monkeypatch.setenv("AEGIS_STRICT", "1")
    monkeypatch.setenv("AEGIS_SESSION_SIGNING_KEY", SEED)
    settings = load_settings(topic_raw="events", topic_control=None)

    assert settings.broker == "a:9092,b:9092"
    assert (settings.web_port, settings.strict) == ("off", True)
    assert (settings.topic_raw, settings.topic_control) == ("events", "aegis.control")
    assert settings.session_signing_key is not None
    assert settings.session_signing_key.get_secret_value() == bytes(range(32))


def test_several_agent_keys_stand_in_one_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the agent's key is replaced, followers trust the old and the new one."""
    keys = [base64.b64encode(bytes([number]) * 1344).decode() for number in (1, 2)]
    monkeypatch.setenv("AEGIS_AGENT_PUBLIC_KEY", ", ".join(keys))

    assert load_settings().agent_public_keys == (b"\x01" * 1344, b"\x02" * 1344)

    monkeypatch.setenv("AEGIS_AGENT_PUBLIC_KEY", ",".join([keys[0], keys[0]]))
    with pytest.raises(ConfigurationError, match="names one key twice"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AEGIS_BROKER", "canary-host"),
        ("AEGIS_BROKER", "host:1;canary:2"),
        ("AEGIS_DEPLOYMENT", "-canary"),
        ("AEGIS_ENVIRONMENT", "canary"),
        ("AEGIS_TOPIC_RAW", "canary/topic"),
        ("AEGIS_TOPIC_RAW", "aegis.control"),
        ("AEGIS_STRICT", "canary"),
        ("AEGIS_ENGINE", "canary"),
        ("AEGIS_RECORD_KEY", "canary"),
        ("AEGIS_COMPRESSION", "canary"),
        ("AEGIS_WEB_PORT", "70000"),
        ("AEGIS_WEB_PORT", "canary"),
        ("AEGIS_MANIFEST_LIFE_S", "canary"),
        ("AEGIS_MANIFEST_INTERVAL_S", "3000"),
        ("AEGIS_SOURCE_REWIND_LIMIT", "0"),
        ("AEGIS_AGENT_SIGNING_KEY", "canary"),
        ("AEGIS_AGENT_SIGNING_KEY", SEED),
        ("AEGIS_SESSION_SIGNING_KEY", SEED[:-1]),
        ("AEGIS_SESSION_SIGNING_KEY", SEED[:20] + "\n" + SEED[20:]),
        ("AEGIS_PSEUDONYM_KEY", "canary"),
        ("AEGIS_MASTER_KEK_PUBLIC", SEED),
        ("AEGIS_AGENT_PUBLIC_KEY", "canary"),
        ("AEGIS_KAFKA_SECURITY_PROTOCOL", "canary"),
        ("AEGIS_KAFKA_SECURITY_PROTOCOL", "SASL_SSL"),
        ("AEGIS_KAFKA_SASL_PASSWORD", "canary"),
        ("AEGIS_KAFKA_SSL_CAFILE", "canary"),
    ],
)
def test_a_wrong_value_is_refused_by_name_and_never_quoted(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """The variable may hold a secret, pasted into the wrong place: no message may repeat it."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()

    told = "".join(traceback.format_exception(caught.value))
    assert re.search(r"AEGIS_[A-Z_]+", str(caught.value))
    assert caught.value.__context__ is None
    assert "canary" not in told
    assert SEED[:16] not in told
    assert caught.value.remedy


def test_every_wrong_variable_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator should not have to start a process five times to find five mistakes."""
    monkeypatch.setenv("AEGIS_ENGINE", "warp")
    monkeypatch.setenv("AEGIS_BROKER", "nowhere")
    with pytest.raises(ConfigurationError, match=r"AEGIS_BROKER: .*; AEGIS_ENGINE: "):
        load_settings()


def test_an_unknown_argument_is_refused() -> None:
    """A misspelt option that is ignored would leave the default in force."""
    with pytest.raises(ConfigurationError, match="topic_rwa: no such setting"):
        load_settings(topic_rwa="x")


def test_production_refuses_a_password_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    """SASL without TLS shows the password, or what can be guessed into it, to the network."""
    monkeypatch.setenv("AEGIS_KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT")
    monkeypatch.setenv("AEGIS_KAFKA_SASL_USERNAME", "reader")
    monkeypatch.setenv("AEGIS_KAFKA_SASL_PASSWORD", "x")
    load_settings()

    monkeypatch.setenv("AEGIS_ENVIRONMENT", "production")
    with pytest.raises(ConfigurationError, match="SASL_PLAINTEXT is refused in production"):
        load_settings()


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings end up in logs and crash reports."""
    monkeypatch.setenv("AEGIS_SESSION_SIGNING_KEY", SEED)
    monkeypatch.setenv("AEGIS_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("AEGIS_KAFKA_SASL_USERNAME", "reader")
    monkeypatch.setenv("AEGIS_KAFKA_SASL_PASSWORD", "canary-password")
    settings = load_settings()

    for shown in (repr(settings), str(settings), repr(settings.model_dump()), str(settings.model_dump_json)):
        assert "canary" not in shown
        assert str(bytes(range(32))) not in shown


def test_settings_are_frozen() -> None:
    """What a process was told does not change under it."""
    with pytest.raises(ValueError, match="frozen"):
        load_settings().broker = "a:1"


def test_a_secret_comes_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Variables are inherited by children and shown by tools; files are not."""
    monkeypatch.setenv("AEGIS_PSEUDONYM_KEY_FILE", str(secret_file(tmp_path, SEED)))
    key = load_settings().pseudonym_key

    assert key is not None
    assert key.get_secret_value() == bytes(range(32))


def test_a_secret_given_twice_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody could say which of the two is in force."""
    monkeypatch.setenv("AEGIS_PSEUDONYM_KEY", SEED)
    monkeypatch.setenv("AEGIS_PSEUDONYM_KEY_FILE", str(secret_file(tmp_path, SEED)))
    with pytest.raises(ConfigurationError, match="are both set"):
        load_settings()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o610])
def test_a_secret_that_others_can_reach_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: int) -> None:
    """A key that others may have read is no secret any more, and the operator must hear of it."""
    monkeypatch.setenv("AEGIS_PSEUDONYM_KEY_FILE", str(secret_file(tmp_path, SEED, mode=mode)))
    with pytest.raises(KeyRefusedError, match=r"AEGIS_PSEUDONYM_KEY_FILE: .*can be reached by other users") as caught:
        load_settings()
    assert caught.value.reason == KeyReason.PERMISSIONS
    assert "chmod 600" in caught.value.remedy


def test_a_public_key_file_may_have_any_mode(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Public keys are long, so they come in files too, and nobody has to hide them."""
    keys = [base64.b64encode(bytes([number]) * 1344).decode() for number in (1, 2)]
    path = secret_file(tmp_path, "\n".join(keys), mode=0o644)
    monkeypatch.setenv("AEGIS_AGENT_PUBLIC_KEY_FILE", str(path))

    assert len(load_settings().agent_public_keys) == 2


def test_keys_may_be_given_as_bytes() -> None:
    """Tests and applications hold keys as bytes; the length is checked all the same."""
    settings = load_settings(pseudonym_key=bytes(32), agent_public_keys=[b"\x01" * 1344])
    assert settings.agent_public_keys == (b"\x01" * 1344,)
    assert load_settings(agent_public_keys=b"\x01" * 1344).agent_public_keys == settings.agent_public_keys
    for wrong in ({"pseudonym_key": bytes(31)}, {"pseudonym_key": 5}, {"agent_public_keys": [b"\x01"]}):
        with pytest.raises(ConfigurationError, match="is not canonical base64"):
            load_settings(**wrong)


def test_a_missing_setting_is_asked_for_by_its_variable() -> None:
    """The command that needs it says so before it does anything."""
    with pytest.raises(ConfigurationError, match="AEGIS_BROKER is not set"):
        load_settings().required("broker")


def test_the_table_names_every_variable_once() -> None:
    """It is what README and docs show, and `aegis settings`."""
    names = [variable.name for variable in reference.variables()]

    assert len(names) == len(set(names))
    assert set(names) >= GUIDE
    assert len(names) >= len(Settings.model_fields) + 8
    assert all(variable.purpose for variable in reference.variables())
    assert all(variable.file for variable in reference.variables() if variable.secret)


def test_a_misspelt_variable_is_found() -> None:
    """AEGIS_STICT=1 would be ignored, and the grace stay in force."""
    found = reference.unknown_variables(
        ["AEGIS_STICT", "AEGIS_NEXT_HSM_PIN", "AEGIS_NEXT_HSM_PIN_FILE", "AEGIS_PSEUDONYM_KEY_FILE", "PATH"]
    )

    assert found == {"AEGIS_STICT": "AEGIS_STRICT"}
