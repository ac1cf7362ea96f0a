"""One Compose-like file becomes one Slurm job: the library behind `hpcc`, the Snakemake executor and the Airflow provider."""
