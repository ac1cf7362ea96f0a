"""Loads measurements, averages them per station, writes a report."""

import csv
import os
import pathlib

import psycopg

here = pathlib.Path(__file__).parent
report = pathlib.Path(os.environ["HPC_COMPOSE_JOB_DIR"]) / "report"
report.mkdir(exist_ok=True)
password = pathlib.Path(os.environ["PASSWORD_FILE"]).read_text().strip()
with (
    psycopg.connect(os.environ["DATABASE"], password=password) as database,
    (here / "measurements.csv").open(newline="") as file,
):
    database.execute("CREATE TABLE measurement (station text, celsius double precision)")
    rows = [(row["station"], float(row["celsius"])) for row in csv.DictReader(file)]
    database.cursor().executemany("INSERT INTO measurement VALUES (%s, %s)", rows)
    found = database.execute(
        "SELECT station, avg(celsius) FROM measurement GROUP BY station ORDER BY station"
    ).fetchall()
(report / "averages.csv").write_text("".join(f"{station},{celsius:.2f}\n" for station, celsius in found))
print(f"{len(rows)} measurements, {len(found)} stations")
