"""TLS and SASL from the settings, and what comes of the errors of Kafka's client; no broker needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiokafka import errors as kafka_errors

from aegis_stream.client.broker_errors import our_broker_errors, translated
from aegis_stream.client.connection import connection_kwargs, tls_context
from aegis_stream.errors import BrokerError, BrokerReason, BrokerUnavailableError, ConfigurationError, KeyRefusedError
from aegis_stream.settings import Settings, load_settings
from tools.kafka.certificates import Authority

if TYPE_CHECKING:
    from pathlib import Path


def settings(**changes: object) -> Settings:
    """Return settings for a broker with TLS."""
    return load_settings(**{"broker": "kafka.example:9093", "kafka_security_protocol": "SSL", **changes})


def test_a_plain_broker_needs_its_address_only() -> None:
    """No TLS context, no SASL."""
    assert connection_kwargs(load_settings(broker="a:1")) == {
        "bootstrap_servers": "a:1",
        "security_protocol": "PLAINTEXT",
    }


def test_sasl_goes_with_its_mechanism_user_and_password() -> None:
    """Each under the name that Kafka's client gives it, and over TLS."""
    kwargs = connection_kwargs(
        settings(
            kafka_security_protocol="SASL_SSL",
            kafka_sasl_mechanism="PLAIN",
            kafka_sasl_username="u",
            kafka_sasl_password="p",
        )
    )

    assert kwargs.pop("ssl_context") is not None
    assert kwargs == {
        "bootstrap_servers": "kafka.example:9093",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "u",
        "sasl_plain_password": "p",
    }


def test_a_client_certificate_is_loaded_and_checked(tmp_path: Path) -> None:
    """A key that others can read, a key of somebody else's, and no key at all are told apart."""
    authority = Authority(tmp_path)
    certificate, key = authority.issue("reader")
    _, other = authority.issue("other")
    key.chmod(0o600)
    other.chmod(0o600)
    assert tls_context(settings(kafka_ssl_certfile=certificate, kafka_ssl_keyfile=key)) is not None

    for wrong in (
        {"kafka_ssl_certfile": certificate, "kafka_ssl_keyfile": other},
        {"kafka_ssl_certfile": key, "kafka_ssl_keyfile": key},
        {"kafka_ssl_certfile": tmp_path / "missing.pem"},
    ):
        with pytest.raises(ConfigurationError, match="AEGIS_KAFKA_SSL_CERTFILE, AEGIS_KAFKA_SSL_KEYFILE"):
            tls_context(settings(**wrong))
    with pytest.raises(ConfigurationError, match="without AEGIS_KAFKA_SSL_CERTFILE"):
        tls_context(settings(kafka_ssl_keyfile=key))
    key.chmod(0o644)
    with pytest.raises(KeyRefusedError):
        tls_context(settings(kafka_ssl_certfile=certificate, kafka_ssl_keyfile=key))


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (kafka_errors.TopicAuthorizationFailedError("t"), BrokerError, BrokerReason.TOPIC_REFUSED),
        (kafka_errors.GroupAuthorizationFailedError("g"), BrokerError, BrokerReason.GROUP_REFUSED),
        (kafka_errors.UnknownTopicOrPartitionError(), BrokerError, BrokerReason.TOPIC_MISSING),
        (kafka_errors.MessageSizeTooLargeError("canary"), BrokerError, BrokerReason.TOPIC_SETTINGS),
        (kafka_errors.KafkaConnectionError("x"), BrokerUnavailableError, BrokerReason.UNREACHABLE),
        (kafka_errors.RequestTimedOutError(), BrokerUnavailableError, BrokerReason.UNREACHABLE),
    ],
)
def test_kafkas_errors_become_ours_with_a_remedy(
    error: kafka_errors.KafkaError, kind: type[BrokerError], reason: BrokerReason
) -> None:
    """Callers catch one tree, and operators learn what to do."""
    ours = translated(error, "reading x")
    assert (type(ours), ours.reason) == (kind, reason)
    assert str(ours).startswith("reading x: ")
    assert ours.remedy

    with pytest.raises(kind) as caught, our_broker_errors("reading x"):
        raise error
    assert "canary" not in str(caught.value)


def test_other_errors_pass_through() -> None:
    """A defect of ours must not be taken for a broker's failure."""
    with pytest.raises(ZeroDivisionError), our_broker_errors("reading x"):
        raise ZeroDivisionError
