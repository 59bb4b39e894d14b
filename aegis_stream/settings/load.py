"""Read the settings, with errors that name the variable and never what stood in it."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from aegis_stream.errors import ConfigurationError
from aegis_stream.settings.model import Settings
from aegis_stream.settings.source import variable_name


def load_settings(**overrides: Any) -> Settings:  # noqa: ANN401 - any field of Settings
    """Return the settings of this process; `overrides` (a command's options) win, where they are not None.

    Raises ConfigurationError naming each wrong variable, KeyRefusedError (permissions) for a secret's file that
    others can read.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    problems: list[str] = []
    settings = None
    try:
        settings = Settings(**given)
    except ValidationError as error:
        problems = [_problem(item["loc"], item["msg"], item["type"]) for item in error.errors(include_input=False)]
    if settings is None:  # outside the handler: pydantic's error holds what was given
        raise ConfigurationError("; ".join(problems), remedy="`aegis settings` lists every variable and its form")
    return settings


def _problem(place: tuple[int | str, ...], message: str, kind: str) -> str:
    """Say which variable is wrong and how; messages of pydantic quote no value where inputs are hidden."""
    text = message.removeprefix("Value error, ")
    if not place:
        return text
    field = str(place[0])
    known = Settings.model_fields.get(field)
    name = variable_name(field, known) if known is not None else field
    if kind in {"extra_forbidden", "unexpected_keyword_argument"}:
        return f"{name}: no such setting"
    return f"{name}: {text[:1].lower()}{text[1:]}"
