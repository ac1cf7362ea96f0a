"""What squeue prints of waiting arrays is read back as the tasks that were asked for."""

from __future__ import annotations

from compose_core.array_tasks import array_tasks, expression_of, throttle
from compose_core.cluster.job_rows import RowIndex
from compose_core.cluster.squeue import parse_squeue, squeue_argv
from tests.slurm.bench import SlurmBench

SPECS = [
    "0-9",
    "0-9%2",
    "5",
    "1,3,5-7:2",
    "0-100:7%3",
    "9,1,1,4-6",
    "0,2,4,6,8,10-30",
    "0-1000:2",
    "7-8%1",
    "3-3",
    "0-5,2-9%4",
]
NUMBERS = [{(start + step * count * count) % 997 for count in range(60)} for start, step in ((1, 3), (5, 7), (100, 13))]


def test_every_way_to_write_an_array_comes_back_from_squeue(slurm_bench: SlurmBench) -> None:
    """Ranges, steps, gaps and throttles, also where Slurm writes them otherwise than they were given."""
    submitted = {}
    for spec in [*SPECS, *map(expression_of, NUMBERS)]:
        argv = ["sbatch", "--parsable", "--hold", f"--array={spec}", "--wrap=true", "--output=/dev/null"]
        submitted[slurm_bench.run(argv, check=True).stdout.strip()] = spec
    try:
        environment = {**slurm_bench.environment, "SLURM_BITSTR_LEN": "0"}
        argv = ["env", *(f"{name}={value}" for name, value in environment.items()), *squeue_argv()]
        answer = parse_squeue(slurm_bench.run(argv, check=True).stdout)
    finally:
        slurm_bench.run(["scancel", *submitted])
    index = RowIndex(answer.rows)
    for job_id, spec in submitted.items():
        rows = [row for row in answer.rows if row.array_job_id == job_id]
        tasks = sorted(set(array_tasks(spec)))
        assert sorted(task for row in rows for task in array_tasks(row.array_task or "")) == tasks, spec
        assert {throttle(row.array_task or "") for row in rows} <= {throttle(spec), None}, spec
        assert all(index.find(f"{job_id}_{task}") is not None for task in tasks)
        assert index.find(f"{job_id}_{tasks[-1] + 1}") is None
