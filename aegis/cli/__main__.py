"""`python -m aegis.cli`: the `aegis` command where the console script is not on the path."""

from __future__ import annotations

from aegis.cli.entry import main

if __name__ == "__main__":
    main()
