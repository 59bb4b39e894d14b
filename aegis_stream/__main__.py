"""`python -m aegis_stream` is `aegis`."""

from __future__ import annotations

import sys

from aegis_stream.cli import main

if __name__ == "__main__":
    sys.exit(main())
