"""The Airflow provider `hpccompose`. Airflow imports this while it reads its own configuration, so nothing is imported here."""

__version__ = "0.1.0"
