"""What the Airflow at hand can do."""

from __future__ import annotations

from airflow import __version__

AIRFLOW_V_3_3_PLUS = tuple(map(int, __version__.split(".")[:2])) >= (3, 3)
