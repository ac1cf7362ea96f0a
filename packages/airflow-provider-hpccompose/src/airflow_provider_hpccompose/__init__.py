"""The Airflow provider `hpccompose`. Airflow imports this while it reads its own configuration, so it imports nothing of Airflow."""

from importlib.metadata import version

__version__ = version("airflow-provider-hpccompose")
