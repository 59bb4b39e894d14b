"""Settings of the processes: every environment variable, once."""

from aegis_stream.settings.load import load_settings
from aegis_stream.settings.model import Settings

__all__ = ["Settings", "load_settings"]
