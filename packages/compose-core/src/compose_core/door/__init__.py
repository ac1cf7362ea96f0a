"""What an orchestrator does with jobs, verb by verb, as JSON in and JSON out: in its own process, or on a login node by `hpcc door`."""

from __future__ import annotations
