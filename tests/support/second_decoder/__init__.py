"""A second reader and writer of the wire format, used by tests alone.

It was written from the format's text and shares no line with `aegis_stream`, so that the two agree only where the text
says one thing.  Slow, plain and complete: randomness is always an argument, nothing is cached,
reasons are plain strings.
"""
