"""What an operator should look at now, the worst first.  Pure: made from the sections that are up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BAD, WARN = "bad", "warn"
_LATE = "See whether they read the control topic: /ready says so."
_FRESHNESS = {
    "grace": (BAD, "The manifest has expired; its grace is running out.", "See that the rotation agent runs."),
    "expired": (BAD, "Manifest and grace are over: enrichers hold.", "See that the rotation agent runs."),
    "absent": (BAD, "There is no manifest.", "Run `aegis keys init`, then `aegis run rotator`."),
}


def attention_section(sections: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return `level`, `what` and `do` of each thing; empty where all is well."""
    found = [{"level": level, "what": what, "do": do} for level, what, do in _found(sections)]
    return sorted(found, key=lambda each: each["level"] != BAD)


def _found(sections: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    control, manifest = sections.get("control"), sections.get("manifest")
    if control is not None and control["problem"]:
        yield BAD, f"The control topic is not being read: {control['problem']}", control["remedy"]
    if manifest is not None:
        if manifest["freshness"] in _FRESHNESS:
            yield _FRESHNESS[manifest["freshness"]]
        if manifest["rotation_overdue"]:
            yield WARN, f"{manifest['active_version']} should have been rotated.", "See that the rotation agent runs."
    yield from _of_enrichers(sections)
    letters = sections.get("dead_letters")
    if letters is not None and letters["problem"]:
        yield WARN, f"Dead letters cannot be counted: {letters['problem']}", letters["remedy"]
    for dek in (sections.get("keyring") or {}).get("deks", []):
        if dek["record"] == "missing" and dek["state"] != "destroyed":
            yield BAD, f"The record of {dek['version']} is missing.", "`aegis keys restore` puts it back."
    refused = (sections.get("refused") or {}).get("records") or {}
    if refused:
        told = ", ".join(f"{reason} ({count:,})" for reason, count in refused.items())
        yield WARN, f"Records of the control topic were refused: {told}.", "Find out who writes to it."


def versions_apart(sections: Mapping[str, Any]) -> bool:
    """Tell whether an enricher writes under another DEK than the others, or than the manifest says."""
    return any(_of_versions(sections.get("enrichers") or [], sections.get("manifest")))


def _of_enrichers(sections: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    manifest, enrichers = sections.get("manifest"), sections.get("enrichers") or []
    for each in enrichers:
        if not each["up"]:
            yield BAD, f"{each['address']}: {each['problem']}.", "See whether this enricher runs."
        elif not each["ready"]:
            yield WARN, f"{each['address']} is not ready: it passes no events.", "Its /ready says why."
    if sections.get("apart"):
        yield from _of_versions(enrichers, manifest)


def _of_versions(enrichers: list[dict[str, Any]], manifest: dict[str, Any] | None) -> Iterator[tuple[str, str, str]]:
    versions = sorted({each["version"] for each in enrichers if each["up"] and each["version"]})
    if len(versions) > 1:
        yield WARN, f"Enrichers write under different DEKs: {', '.join(versions)}.", _LATE
    elif manifest is not None and versions and versions != [manifest["active_version"]]:
        yield WARN, f"Enrichers write under {versions[0]}, the manifest says {manifest['active_version']}.", _LATE
