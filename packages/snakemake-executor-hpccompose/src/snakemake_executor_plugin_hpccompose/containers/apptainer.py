"""Starts the front, of which it knows only the folder: Python runs it without the user's paths and without site packages."""

import os
import sys
from importlib import import_module

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    sys.exit(import_module("front.program").main(sys.argv[1:]))
