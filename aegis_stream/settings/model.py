"""Every AEGIS_ variable, once: its name, its form, its default and what it is for."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, SecretBytes, SecretStr, StringConstraints, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from aegis_stream.errors import ConfigurationError
from aegis_stream.settings.forms import key_bytes, key_list
from aegis_stream.settings.source import SecretFileSource

if TYPE_CHECKING:
    from pydantic.config import JsonDict

Topic = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
Interval = Annotated[str, StringConstraints(pattern=r"^(off|monthly|quarterly|yearly|[1-9][0-9]{0,5}[smhdw])$")]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]

_HOST_PORT = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}", re.ASCII)
_SECRET: JsonDict = {"secret": True}
_KEY_FILE: JsonDict = {"file": True}


def _state_dir() -> Path:
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(home).expanduser() / "aegis-stream"


class Settings(BaseSettings):
    """What one process was told: read once, never changed, and silent about its secrets when printed.

    A field `broker` is the variable AEGIS_BROKER.  Keys enter as one line of canonical base64 and are held as bytes.
    Every secret (and the public keys, which are long) may also be given as a file, AEGIS_…_FILE.  Use
    `load_settings`, which turns pydantic's errors, that quote what was given, into ones that do not.
    """

    model_config = SettingsConfigDict(
        env_prefix="AEGIS_",
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        env_ignore_empty=True,
        populate_by_name=True,
        validate_default=False,
    )

    # Where
    broker: str = Field("", description="Kafka bootstrap servers, host:port, comma between them")
    deployment: Name = Field("aegis", description="name of this deployment; a manifest of another one is refused")
    environment: Literal["development", "test", "production"] = Field(
        "development",
        description="production refuses in-memory keys, and environment keys without AEGIS_ALLOW_ENVIRONMENT_KEK",
    )
    application_id: Name = Field("aegis-enricher", description="consumer group of the enrichers")
    reader_group: Name = Field("aegis-reader", description="consumer group of `aegis consume` and the client's readers")
    state_dir: Path = Field(
        default_factory=_state_dir,
        description="folder for the little that outlives a restart: sequence and hash of the last manifest",
        json_schema_extra={"default": "~/.local/state/aegis-stream"},
    )

    # Topics
    topic_raw: Topic = Field("aegis.raw", description="events in the clear, from the producers")
    topic_encrypted: Topic = Field("aegis.encrypted", description="encrypted events, for the readers")
    topic_dead_letter: Topic = Field("aegis.dead-letter", description="refused records, sealed")
    topic_dead_letter_state: Topic = Field(
        "aegis.dead-letter-state", description="what became of dead letters (compacted)"
    )
    topic_control: Topic = Field("aegis.control", description="manifest, DEK records and commands (compacted)")

    # Keys and trust
    allow_environment_kek: bool = Field(
        default=False, description="1 allows a KEK from the environment in production as well"
    )
    master_kek_public: Annotated[bytes, NoDecode] | None = Field(
        None, description="HybridKEM public key of the KEK (1,216 bytes, base64)", json_schema_extra=_KEY_FILE
    )
    agent_public_keys: Annotated[tuple[bytes, ...], NoDecode] = Field(
        (),
        validation_alias="AEGIS_AGENT_PUBLIC_KEY",
        description="public keys of the rotation agent that manifests are taken from (1,344 bytes, base64; comma)",
        json_schema_extra=_KEY_FILE,
    )
    agent_signing_key: SecretBytes | None = Field(
        None, description="the rotation agent's private key (64 bytes, base64)", json_schema_extra=_SECRET
    )
    session_signing_key: SecretBytes | None = Field(
        None, description="this enricher's session-signing key (32 bytes, base64)", json_schema_extra=_SECRET
    )
    pseudonym_key: SecretBytes | None = Field(
        None, description="key of record-key pseudonyms (32 bytes, base64)", json_schema_extra=_SECRET
    )
    strict: bool = Field(default=False, description="1 stops a writer as soon as its manifest has expired, no grace")
    manifest_life_s: int = Field(3_600, ge=60, le=604_800, description="how long a manifest is valid, seconds")
    manifest_interval_s: int = Field(300, ge=1, le=86_400, description="how often the agent signs one, seconds")
    manifest_grace_s: int = Field(
        86_400, ge=0, le=2_592_000, description="how long a running follower keeps an expired manifest, seconds"
    )
    rotation_interval: Interval = Field(
        "quarterly",
        description="when the agent rotates the DEK itself: monthly, quarterly or yearly on the first day, 00:00 UTC, "
        "an interval like 90d (s, m, h, d, w) after the last rotation, or off",
    )
    rotation_jitter_s: int = Field(
        3_600, ge=0, le=2_592_000, description="it does so up to so much later, seconds, the same for the same DEK"
    )
    custodian_veto_s: int = Field(
        259_200,
        ge=60,
        le=2_592_000,
        description="how long a custodian replaced without the old key may object, seconds",
    )

    # Work
    engine: Literal["auto", "python", "native"] = Field("auto", description="which code encrypts; auto: the fastest")
    record_key: Literal["pseudonym", "drop", "keep"] = Field(
        "pseudonym",
        description="record keys on the encrypted topic; pseudonym needs AEGIS_PSEUDONYM_KEY and drops them without",
    )
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = Field(
        "zstd", description="compression of encrypted batches: zstd saves most, snappy costs least"
    )
    source_rewind_limit: int = Field(
        100_000, ge=1, description="an offset further below a reader's mark is refused as source-rewound"
    )
    control_wait_s: float = Field(
        10.0, gt=0, le=300, description="how long a reader waits for an unknown DEK version, seconds"
    )
    web_host: str = Field(
        "127.0.0.1", min_length=1, description="where /health, /ready and /metrics are served; 0.0.0.0 in a container"
    )
    web_port: int | Literal["off"] = Field(
        6066, description="port of /health, /ready and /metrics, or off", union_mode="left_to_right"
    )
    dashboard_host: str = Field("127.0.0.1", min_length=1, description="where `aegis dashboard` listens")
    dashboard_port: int = Field(6_067, ge=0, le=65_535, description="its port; 0: any that is free")
    dashboard_token: SecretStr | None = Field(
        None,
        description="what its readers must show, 24 characters or more; without it only this machine may look",
        json_schema_extra=_SECRET,
    )
    dashboard_enrichers: str = Field(
        "", description="the enrichers it asks for their metrics, http://host:port, comma between them"
    )
    dashboard_tls_certfile: Path | None = Field(None, description="its certificate, PEM, to serve TLS itself")
    dashboard_tls_keyfile: Path | None = Field(None, description="the private key of that certificate, PEM")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is logged")
    log_format: Literal["json", "console"] = Field("json", description="form of log lines")

    # Kafka's own security
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how clients speak to the broker"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="SASL mechanism"
    )
    kafka_sasl_username: str = Field("", description="SASL user")
    kafka_sasl_password: SecretStr | None = Field(None, description="SASL password", json_schema_extra=_SECRET)
    kafka_ssl_cafile: Path | None = Field(None, description="CA certificates, PEM; the system's without it")
    kafka_ssl_certfile: Path | None = Field(None, description="client certificate, PEM, for mutual TLS")
    kafka_ssl_keyfile: Path | None = Field(None, description="its private key, PEM")
    kafka_ssl_keypassword: SecretStr | None = Field(
        None, description="password of that private key", json_schema_extra=_SECRET
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - part of the signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - part of the signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take arguments first, then variables, then the files that variables name."""
        return init_settings, env_settings, SecretFileSource(settings_cls)

    @field_validator("broker")
    @classmethod
    def _broker_form(cls, value: str) -> str:
        servers = [server.strip() for server in value.split(",") if server.strip()]
        if not all(_HOST_PORT.fullmatch(server) for server in servers):
            raise ValueError("is not host:port, or several with commas between them")
        return ",".join(servers)

    @field_validator("master_kek_public", mode="before")
    @classmethod
    def _kek_public_form(cls, value: object) -> bytes:
        return key_bytes(value, length=1_216)

    @field_validator("agent_public_keys", mode="before")
    @classmethod
    def _agent_keys_form(cls, value: object) -> tuple[bytes, ...]:
        return key_list(value, length=1_344)

    @field_validator("agent_signing_key", mode="before")
    @classmethod
    def _agent_key_form(cls, value: object) -> bytes:
        return key_bytes(value, length=64)

    @field_validator("session_signing_key", "pseudonym_key", mode="before")
    @classmethod
    def _seed_form(cls, value: object) -> bytes:
        return key_bytes(value, length=32)

    @field_validator("web_port")
    @classmethod
    def _port_range(cls, value: int | str) -> int | str:
        if isinstance(value, int) and not 0 < value < 65_536:  # noqa: PLR2004 - the range of TCP ports
            raise ValueError("is neither a port (1 to 65535) nor off")
        return value

    @model_validator(mode="after")
    def _together(self) -> Settings:
        topics = [self.topic_raw, self.topic_encrypted, self.topic_dead_letter, self.topic_dead_letter_state]
        if len({*topics, self.topic_control}) != len(topics) + 1:
            raise ValueError("AEGIS_TOPIC_…: two topics have one name")
        if self.manifest_interval_s * 2 > self.manifest_life_s:
            raise ValueError("AEGIS_MANIFEST_INTERVAL_S: is more than half of AEGIS_MANIFEST_LIFE_S")
        if self.kafka_security_protocol.startswith("SASL_"):
            if not self.kafka_sasl_username or self.kafka_sasl_password is None:
                raise ValueError("AEGIS_KAFKA_SASL_USERNAME and AEGIS_KAFKA_SASL_PASSWORD: SASL needs both")
        elif self.kafka_sasl_username or self.kafka_sasl_password is not None:
            raise ValueError("AEGIS_KAFKA_SECURITY_PROTOCOL: is not SASL_SSL, but a SASL user or password is set")
        if self.kafka_security_protocol == "SASL_PLAINTEXT" and self.environment == "production":
            raise ValueError("AEGIS_KAFKA_SECURITY_PROTOCOL: SASL_PLAINTEXT is refused in production; use SASL_SSL")
        files = (self.kafka_ssl_cafile, self.kafka_ssl_certfile, self.kafka_ssl_keyfile)
        if any(files) and not self.kafka_security_protocol.endswith("SSL"):
            raise ValueError("AEGIS_KAFKA_SECURITY_PROTOCOL: is not SSL or SASL_SSL, but a TLS file is set")
        return self

    def required(self, field: str) -> str:
        """Return a text setting that this command cannot do without; ConfigurationError names its variable."""
        value = getattr(self, field)
        if not value:
            raise ConfigurationError(f"AEGIS_{field.upper()} is not set", remedy=f"set AEGIS_{field.upper()}")
        return str(value)
