"""`python -m compose_core`: the same as `hpcc`."""

from __future__ import annotations

from compose_core.cli.entry import main

if __name__ == "__main__":
    main()
