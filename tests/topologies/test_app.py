"""The Faust application's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from faust.auth import SASLCredentials
from faust.types.auth import AuthProtocol

from aegis_stream.settings import Settings
from topologies.app import AegisConf, faust_settings
from topologies.transport import AegisTransport, IdempotentProducer

if TYPE_CHECKING:
    from faust.types.settings import Settings as FaustSettings


def conf(**settings: object) -> FaustSettings:
    """Return what Faust makes of our settings."""
    given = faust_settings(Settings(**{"broker": "127.0.0.1:9092", **settings}), max_batch_bytes=1_000)
    return AegisConf("app", **given)


def test_the_web_view_is_on_this_machine_only() -> None:
    """Faust's default is every interface."""
    assert (conf().web_bind, conf(web_port=7000).web_port, conf().web_enabled) == ("127.0.0.1", 7000, True)
    assert conf(web_port="off").web_enabled is False
    assert conf(web_host="0.0.0.0").web_bind == "0.0.0.0"  # noqa: S104 - inside a container


def test_nothing_but_our_own_pages_is_served() -> None:
    """Faust's pages show the service tree, tables and the other workers' addresses."""
    assert not any(getattr(conf(), f"web_{name}_enabled") for name in ("router", "tables", "stats", "graph", "metrics"))


@pytest.mark.parametrize(
    ("variable", "value", "name"),
    [
        ("WEB_BIND", "0.0.0.0", "web_bind"),  # noqa: S104 - what must not happen
        ("PROCESSING_GUARANTEE", "exactly_once", "processing_guarantee"),
        ("APP_DEBUG", "1", "debug"),
        ("BROKER_URL", "kafka://elsewhere:1", "broker"),
        ("PRODUCER_ACKS", "0", "producer_acks"),
    ],
)
def test_faust_is_deaf_to_the_environment(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, name: str
) -> None:
    """There its variables win over what the program says: WEB_BIND alone would open the web view to the network."""
    expected = getattr(conf(), name)
    monkeypatch.setenv(variable, value)
    assert getattr(conf(), name) == expected


def test_no_topic_is_made_and_no_leader_topic_needed() -> None:
    """The least rights of an enricher allow neither."""
    assert (conf().topic_allow_declare, conf().topic_disable_leader) == (False, True)


def test_several_brokers_and_sasl_reach_faust() -> None:
    """Every client takes the same way to the broker."""
    made = conf(
        broker="a:1,b:2",
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_username="enricher",
        kafka_sasl_password="secret",
    )
    assert [str(url) for url in made.broker_consumer] == ["kafka://a:1", "kafka://b:2"]
    credentials = made.broker_credentials
    assert isinstance(credentials, SASLCredentials)
    assert (credentials.protocol, str(credentials.mechanism.value)) == (AuthProtocol.SASL_SSL, "SCRAM-SHA-512")
    assert "secret" not in repr(credentials)


def test_tls_without_sasl_reaches_faust() -> None:
    """A broker may ask for certificates alone, or for encryption alone."""
    made = conf(kafka_security_protocol="SSL")
    assert made.broker_credentials is not None
    assert made.broker_credentials.protocol is AuthProtocol.SSL
    assert conf().broker_credentials is None


def test_the_producer_is_idempotent_by_its_class() -> None:
    """No setting can take it away."""
    assert AegisTransport.Producer is IdempotentProducer
