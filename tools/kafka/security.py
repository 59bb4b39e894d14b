"""What makes a test broker secure: TLS, SCRAM users, client certificates, an authorizer."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from tools.kafka.certificates import Authority, ClientCertificate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ADMIN = "admin"
ADMIN_PASSWORD = "admin-of-a-test-broker"  # noqa: S105 -- a test broker's, made new with every broker


class Security:
    """The certificates and users of one secure broker, and the clients' settings for it."""

    def __init__(self, folder: Path, *, bootstrap: str, mtls_port: int, users: Mapping[str, str]) -> None:
        """Make the authority and the broker's certificate in `folder`; `users` are names and passwords."""
        self.bootstrap = bootstrap
        self.mtls_bootstrap = f"127.0.0.1:{mtls_port}"
        self.users = {ADMIN: ADMIN_PASSWORD, **users}
        self._authority = Authority(folder)
        self._keystore = self._authority.keystore("broker")

    @property
    def ca_path(self) -> Path:
        """The PEM certificate that clients must trust."""
        return self._authority.ca_path

    def client_certificate(self, name: str) -> ClientCertificate:
        """Make a client certificate: the broker sees whoever shows it as User:`name`."""
        return self._authority.issue(name)

    def scram(self, user: str = ADMIN) -> dict[str, object]:
        """Return what an aiokafka client needs to log in as `user` over TLS, bootstrap_servers included."""
        return {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": "SASL_SSL",
            "ssl_context": ssl.create_default_context(cafile=str(self.ca_path)),
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": user,
            "sasl_plain_password": self.users[user],
        }

    def mtls(self, name: str) -> dict[str, object]:
        """Return what an aiokafka client needs to come with a certificate as User:`name`."""
        context = ssl.create_default_context(cafile=str(self.ca_path))
        context.load_cert_chain(*self.client_certificate(name))
        return {"bootstrap_servers": self.mtls_bootstrap, "security_protocol": "SSL", "ssl_context": context}

    def properties(self, *, controller: str) -> dict[str, str]:
        """Return the lines of server.properties that replace the plain ones; `controller` is its host:port."""
        module = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        return {
            "listeners": f"SASL_SSL://{self.bootstrap},MTLS://{self.mtls_bootstrap},CONTROLLER://{controller}",
            "inter.broker.listener.name": "MTLS",
            "listener.security.protocol.map": "CONTROLLER:SSL,MTLS:SSL,SASL_SSL:SASL_SSL",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self._keystore),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.ca_path),
            "listener.name.mtls.ssl.client.auth": "required",
            "listener.name.controller.ssl.client.auth": "required",
            "ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/,DEFAULT",
            "listener.name.sasl_ssl.sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": module,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:broker;User:{ADMIN}",
        }

    def format_arguments(self) -> list[str]:
        """Return StorageTool's arguments that make the users."""
        return [
            argument
            for name, password in self.users.items()
            for argument in ("--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]")
        ]
