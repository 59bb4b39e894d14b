"""A value that must not be shown, on its way from a variable, a file or a vendor to the key that it becomes."""

from __future__ import annotations

from typing import Generic, NoReturn, TypeVar

_Value = TypeVar("_Value", str, bytes)


class Secret(Generic[_Value]):
    """Holds a PIN or the bytes of a private key so that no repr, traceback with locals, copy or pickle shows it.

    It does not wipe anything: Python's str and bytes cannot be overwritten.  What it gives is that every frame that
    handles the value holds this object and not the value, so a crash report has nothing to print.
    """

    __slots__ = ("_value",)

    def __init__(self, value: _Value) -> None:
        """Hold the value."""
        self._value: _Value = value

    def reveal(self) -> _Value:
        """Return the value: call it inside the expression that uses it and bind it to no name."""
        return self._value

    def __len__(self) -> int:
        """Return the length; it may be shown."""
        return len(self._value)

    def __repr__(self) -> str:
        """Show nothing."""
        return "<secret>"

    def __reduce__(self) -> NoReturn:
        """Refuse pickling and copying."""
        msg = "secrets are never copied"
        raise TypeError(msg)
