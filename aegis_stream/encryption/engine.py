"""Which engine does the work of the hot path: Python's, or the native one where it is installed.

The one in Python is the reference and gives every refusal.  The native one, the distribution `aegis-stream-native`,
holds no policy of its own: it is handed policies, session keys and limits, and hands back what is unusual.
"""

from __future__ import annotations

import importlib
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from aegis_stream.errors import ConfigurationError
from aegis_stream.pii.classifier import MARKER_LABEL, POINTER_LABEL

if TYPE_CHECKING:
    from types import ModuleType

    from aegis_stream.pii import Classifier

NATIVE_VERSION = "0.1.0"
"""The version of aegis-stream-native that belongs to this library; another one is not used."""


class Engine(StrEnum):
    """AEGIS_ENGINE: `auto` takes the native engine where it is installed and of the right version."""

    AUTO = "auto"
    PYTHON = "python"
    NATIVE = "native"


class Loaded(NamedTuple):
    """What was found: the module, or why there is none."""

    module: ModuleType | None
    why: str


def find_native() -> Loaded:
    """Look for the native engine."""
    try:
        module = importlib.import_module("aegis_stream_native")
    except ImportError:
        return Loaded(None, "aegis-stream-native is not installed")
    version = getattr(module, "__version__", "unknown")
    if version != NATIVE_VERSION:
        return Loaded(None, f"aegis-stream-native is of version {version}, not {NATIVE_VERSION}")
    return Loaded(module, f"aegis-stream-native {version}")


def native_module(engine: Engine | str) -> ModuleType | None:
    """Return the native engine's module, None where Python's is to be used.

    Raises ConfigurationError: there is no such engine, or the native one was demanded and cannot be had.
    """
    try:
        choice = Engine(engine)
    except ValueError:
        choice = None
    if choice is None:
        raise ConfigurationError("an engine is auto, python or native", remedy="set AEGIS_ENGINE to one of them")
    if choice is Engine.PYTHON:
        return None
    found = find_native()
    if found.module is None and choice is Engine.NATIVE:
        raise ConfigurationError(
            f"the native engine was demanded, and {found.why}",
            remedy="pip install aegis-stream-native, or set AEGIS_ENGINE=auto",
        )
    return found.module


def engine_name(module: ModuleType | None) -> str:
    """Return what logs, metrics and `aegis doctor` call an engine."""
    return Engine.PYTHON.value if module is None else f"native {module.__version__}"


class NativePolicy(NamedTuple):
    """A policy as the native engine takes it.  labels: what its numbers mean."""

    policy: Any
    labels: tuple[str, ...]


def native_policy(module: ModuleType, classifier: Classifier) -> NativePolicy:
    """Hand a compiled policy to the native engine."""
    names, excluded, pointers = classifier.compiled()
    labels = (*dict.fromkeys(names.values()), POINTER_LABEL, MARKER_LABEL)
    numbers = {label: number for number, label in enumerate(labels)}
    policy = module.Policy(
        names=[(normal, numbers[label]) for normal, label in names.items()],
        excluded=sorted(excluded),
        pointers=[(list(steps), excludes) for steps, excludes in pointers],
        pointer_label=len(labels) - 2,
        marker_label=len(labels) - 1,
        id_is_public=not classifier.is_sensitive_member("event_id"),
    )
    return NativePolicy(policy, labels)
