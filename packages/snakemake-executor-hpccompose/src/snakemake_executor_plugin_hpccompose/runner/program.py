"""`python -P program.py UNIT_FOLDER`: the runner, without the module of its own package.

That module imports Snakemake's interface, which takes longer than many a rule; a job that is a shell command alone needs none of it.
"""

import os
import sys
from types import ModuleType

PACKAGE = "snakemake_executor_plugin_hpccompose"


def main() -> int:
    """The runner's exit code."""
    package = ModuleType(PACKAGE)
    package.__path__ = [os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]  # noqa: PTH100, PTH120  (pathlib is not imported yet)
    sys.modules[PACKAGE] = package
    from snakemake_executor_plugin_hpccompose.runner.__main__ import main as run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
