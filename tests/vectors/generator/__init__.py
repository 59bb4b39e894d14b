"""Makes the frozen vectors beside it, by the second writer: `python -m tests.vectors.generator`."""
