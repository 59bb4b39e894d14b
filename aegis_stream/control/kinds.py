"""The kinds of commands and whose signatures each needs."""

from __future__ import annotations

from enum import StrEnum


class Signing(StrEnum):
    """Whose signatures a command needs before it is carried out."""

    ONE = "one"
    """Any one custodian."""

    BOTH = "both"
    """Risk Lead and Security Lead, one key each."""

    REPLACEMENT = "replacement"
    """The custodian who stays and each new key; without the old or the recovery key it waits for a veto."""


class CommandKind(StrEnum):
    """What a command asks for."""

    ROTATE_DEK = "rotate-dek"
    SET_POLICY = "set-policy"
    REVOKE_DEK = "revoke-dek"
    SET_MINIMUM_VERSION = "set-minimum-version"
    DESTROY_DEK = "destroy-dek"
    ENROL_ENRICHER = "enrol-enricher"
    RETIRE_ENRICHER = "retire-enricher"
    REVOKE_ENRICHER = "revoke-enricher"
    ROTATE_KEK = "rotate-kek"
    RETIRE_KEK = "retire-kek"
    REPLACE_CUSTODIAN = "replace-custodian"
    REPLACE_AGENT_KEY = "replace-agent-key"
    SET_RECOVERY_KEY = "set-recovery-key"
    EMERGENCY_ROTATE = "emergency-rotate"
