"""What readers and producers of events use."""

from aegis_stream.client.source_marks import SourceMarks

__all__ = ["SourceMarks"]
