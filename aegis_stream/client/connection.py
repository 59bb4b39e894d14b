"""How every Kafka client of ours reaches the broker: address, TLS and SASL from the settings, once."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

from aegis_stream.errors import ConfigurationError
from aegis_stream.secret_files import check_secret_file

if TYPE_CHECKING:
    from aegis_stream.settings import Settings


def connection_kwargs(settings: Settings) -> dict[str, Any]:
    """Return the keyword arguments that any aiokafka client takes to reach the broker of `settings`.

    The result holds the SASL password: pass it on, never print it.

    Raises ConfigurationError (no broker, unreadable certificates), KeyRefusedError (a TLS key that others can read).
    """
    kwargs: dict[str, Any] = {
        "bootstrap_servers": settings.required("broker"),
        "security_protocol": settings.kafka_security_protocol,
    }
    context = tls_context(settings)
    if context is not None:
        kwargs["ssl_context"] = context
    if settings.kafka_security_protocol.startswith("SASL_") and settings.kafka_sasl_password is not None:
        kwargs["sasl_mechanism"] = settings.kafka_sasl_mechanism
        kwargs["sasl_plain_username"] = settings.kafka_sasl_username
        kwargs["sasl_plain_password"] = settings.kafka_sasl_password.get_secret_value()
    return kwargs


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """Return a context that checks the broker's certificate and host name, None where no TLS is asked for.

    Raises as `connection_kwargs`.
    """
    if not settings.kafka_security_protocol.endswith("SSL"):
        return None
    context = _trusting(settings)
    if settings.kafka_ssl_certfile is not None:
        _show_certificate(context, settings)
    elif settings.kafka_ssl_keyfile is not None:
        raise ConfigurationError(
            "AEGIS_KAFKA_SSL_KEYFILE is set without AEGIS_KAFKA_SSL_CERTFILE", remedy="set both, or neither"
        )
    return context


def _trusting(settings: Settings) -> ssl.SSLContext:
    problem = ""
    context = ssl.create_default_context()  # checks the host name
    if settings.kafka_ssl_cafile is not None:
        try:
            context = ssl.create_default_context(cafile=str(settings.kafka_ssl_cafile))
        except OSError as error:  # also what is no certificate: ssl.SSLError is an OSError
            problem = error.strerror or "no PEM certificates"
    if problem:
        raise ConfigurationError(
            f"AEGIS_KAFKA_SSL_CAFILE: {settings.kafka_ssl_cafile} cannot be used ({problem})",
            remedy="name a PEM file with the certificate of the authority that signed the broker's",
        )
    return context


def _show_certificate(context: ssl.SSLContext, settings: Settings) -> None:
    certificate, key = settings.kafka_ssl_certfile, settings.kafka_ssl_keyfile
    password = settings.kafka_ssl_keypassword
    if key is not None:
        check_secret_file(key, name="AEGIS_KAFKA_SSL_KEYFILE")
    problem = ""
    try:
        context.load_cert_chain(
            str(certificate),
            None if key is None else str(key),
            # a text even where none is set: None would make OpenSSL ask on the terminal
            "" if password is None else password.get_secret_value(),
        )
    except OSError as error:
        problem = error.strerror or "certificate and key do not belong together, or the key's password is wrong"
    if problem:
        raise ConfigurationError(
            f"AEGIS_KAFKA_SSL_CERTFILE, AEGIS_KAFKA_SSL_KEYFILE: cannot be used ({problem})",
            remedy="name PEM files of a client certificate and its private key",
        )
