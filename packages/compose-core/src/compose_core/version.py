"""The version of this release, in its only place: the build reads it here, records and reports show it."""

from __future__ import annotations

__version__ = "0.1.0"
