"""The answer of `stats` for a person: figures, tables, and their course over time in lines of text."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from compose_core.cli.sparkline import sparkline
from compose_core.cli.stats_report import why_nothing
from compose_core.clock import iso
from compose_core.insight.run_figure import Panel, panels_of
from compose_core.insight.series import Point, squeezed
from compose_core.terminal_text import terminal_text
from compose_core.tracking.state_text import state_text
from compose_core.units import counted, format_bytes, format_duration, format_slurm_time

if TYPE_CHECKING:
    from compose_core.cli.output import Output
    from compose_core.insight.gpu_samples import GpuUsage
    from compose_core.insight.usage import JobUsage, StepFigures
    from compose_core.job_usage import UsageReading

_LINES = 16
"""Lines of one figure over time; of more devices the first ones are shown."""
_NAME = 22
_BASIS = {
    "accounting": "by the accounting",
    "sstat": "so far, by sstat",
    "samples": "by the last samples",
    "process": "by the operating system",
}


def print_stats(output: Output, reading: UsageReading) -> None:
    """One job; of an array the sum and a line for each task."""
    snapshot, usage = reading.snapshot, reading.usage
    output.heading(f"job {snapshot.job_id} ({snapshot.record.name}): {state_text(snapshot)}")
    _figures(output, usage)
    if not reading.source and usage.cpu.used_s is None and not reading.tasks:
        output.data(f"  {why_nothing(reading)}")
    if reading.tasks:
        output.data("")
        print_tasks(output, reading.tasks)
    if usage.samples is not None and usage.samples.gpus:
        output.data("")
        print_gpus(output, usage.samples.gpus)
    if usage.steps:
        output.data("")
        print_steps(output, usage.steps)
    _over_time(output, usage)
    for note in usage.notes:
        output.data(click.style(f"note: {terminal_text(note)}", dim=True))


def _figures(output: Output, usage: JobUsage) -> None:
    rows = [
        ("tasks", str(usage.tasks) if usage.tasks > 1 else ""),
        ("wall time", _wall(usage)),
        ("CPU", _cpu(usage)),
        ("memory", _memory(usage)),
        ("", f"({usage.memory.basis})" if usage.memory.basis else ""),
        ("GPUs", _gpus(usage)),
        ("energy", _energy(usage)),
    ]
    for name, text in rows:
        if text:
            output.data(f"  {name:<11} {terminal_text(text)}")


def _wall(usage: JobUsage) -> str:
    if usage.wall_s is None:
        return ""
    limit = usage.time_limit_s
    if usage.tasks > 1:
        return f"{format_duration(usage.wall_s)} in all"
    of_limit = f" of {format_slurm_time(int(limit))} ({usage.wall_s / limit:.0%})" if limit else ""
    return f"{format_duration(usage.wall_s)}{of_limit}"


def _cpu(usage: JobUsage) -> str:
    cpu = usage.cpu
    if cpu.used_s is None:
        return f"{counted(cpu.allocated, 'CPU')}, use unknown" if cpu.allocated else ""
    used = f"{_seconds(cpu.used_s)} {_BASIS.get(cpu.basis, '')}".strip()
    if cpu.efficiency is None:
        busy = f", {usage.busy_cpus:.2f} CPUs busy on average" if usage.busy_cpus is not None else ""
        return f"{used}{busy}"
    share = f"{cpu.efficiency:.0%} of {counted(cpu.allocated or 0, 'CPU')}"
    return f"{share}: {used}, of {_seconds(cpu.allocated_s or 0)}"


def _seconds(seconds: float) -> str:
    """CPU time: seconds with a digit, hours when there are many."""
    return f"{seconds / 3600:.2f} CPU-hours" if seconds >= 3600 else f"{seconds:.1f} CPU-seconds"


def _memory(usage: JobUsage) -> str:
    memory = usage.memory
    given = memory.allocated_bytes or memory.requested_bytes
    word = "" if memory.allocated_bytes else " requested"
    if memory.peak_bytes is None:
        return f"{format_bytes(given)} per node{word}, use unknown" if given else ""
    where = f" on {memory.peak_node}" if memory.peak_node else ""
    of_given = f" of {format_bytes(given)} per node{word} ({memory.peak_bytes / given:.0%})" if given else ""
    return f"{format_bytes(memory.peak_bytes)}{where} at the most{of_given}"


def _gpus(usage: JobUsage) -> str:
    if not usage.gpus_allocated:
        return ""
    hours = f", {usage.gpu_hours:.2f} GPU-hours" if usage.gpu_hours is not None else ""
    return f"{usage.gpus_allocated}{hours}"


def _energy(usage: JobUsage) -> str:
    parts = []
    if usage.gpu_energy_kwh is not None:
        covered = usage.gpu_energy_coverage
        told = f" (power sampled for {covered:.0%} of the run)" if covered is not None else ""
        parts.append(f"GPUs {_kwh(usage.gpu_energy_kwh)}{told}")
    if usage.node_energy_kwh is not None:
        parts.append(f"nodes {_kwh(usage.node_energy_kwh)}")
    return ", ".join(parts)


def _kwh(kwh: float) -> str:
    return f"{kwh:.2f} kWh" if kwh >= 0.1 else f"{kwh * 1000:.3g} Wh"


def print_tasks(output: Output, tasks: Sequence[UsageReading]) -> None:
    """One line for each task that has run."""
    rows = [
        [
            str(task.snapshot.record.array_task_id),
            str(task.snapshot.state),
            format_duration(task.usage.wall_s) if task.usage.wall_s is not None else "-",
            _share(task.usage.cpu.efficiency),
            _size(task.usage.memory.peak_bytes),
            _share(task.usage.memory.efficiency),
            _figure(task.usage.gpu_energy_kwh, "{:.3f} kWh"),
        ]
        for task in tasks
    ]
    output.table(["TASK", "STATE", "WALL", "CPU", "MEM PEAK", "MEM", "GPU ENERGY"], rows)


def print_gpus(output: Output, gpus: Sequence[GpuUsage]) -> None:
    """One line for each device, over the whole run."""
    rows = [
        [
            gpu.label,
            gpu.name,
            _figure(gpu.utilization_mean, "{:.0f}%"),
            _figure(gpu.utilization_max, "{:.0f}%"),
            _gib(gpu.memory_peak_mib),
            _gib(gpu.memory_total_mib),
            _figure(gpu.power_mean_w, "{:.0f} W"),
            _figure(gpu.power_max_w, "{:.0f} W"),
            _figure(gpu.temperature_max_c, "{:.0f}°C"),
        ]
        for gpu in gpus
    ]
    output.table(["GPU", "NAME", "UTIL", "MAX", "MEM PEAK", "MEM", "POWER", "MAX", "TEMP"], rows)


def print_steps(output: Output, steps: Sequence[StepFigures]) -> None:
    """One line for each step."""
    rows = [
        [
            step.step,
            step.service or step.name or "-",
            step.state or "-",
            _figure(step.ntasks, "{}"),
            _figure(step.cpu.used_s, "{:.1f} s"),
            _share(step.cpu.efficiency),
            _size(step.largest_task_bytes),
            _size(step.tasks_total_bytes),
        ]
        for step in steps
    ]
    output.table(["STEP", "SERVICE", "STATE", "TASKS", "CPU TIME", "CPU", "LARGEST TASK", "ALL TASKS"], rows)


def _over_time(output: Output, usage: JobUsage) -> None:
    """Each figure over time, in as many columns as there are."""
    panels = [panel for panel in panels_of(usage) if any(len(line.at) > 1 for line in panel.lines)]
    if not panels:
        return
    begin = min(line.at[0] for panel in panels for line in panel.lines)
    end = max(line.at[-1] for panel in panels for line in panel.lines)
    width = max(20, min(120, shutil.get_terminal_size((80, 24)).columns - _NAME - 18))
    output.data(f"\nover time, {iso(begin)} to {iso(end)}:")
    for panel in panels:
        output.data(click.style(f"  {panel.title}{_scale(panel)}", bold=True))
        for line in panel.lines[:_LINES]:
            points = tuple(Point(at=at, mean=value, highest=value) for at, value in zip(line.at, line.values))
            drawn = sparkline(squeezed(points, min(width, len(points)), begin=begin, end=end), top=_top(panel))
            peak = max(line.values)
            name = terminal_text(line.name)
            name = name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"
            output.data(f"    {name:<{_NAME}} {drawn:<{width}} {_number(peak)} {panel.unit}")
        if len(panel.lines) > _LINES:
            output.data(f"    and {len(panel.lines) - _LINES} more: --format json, or --plot")


def _scale(panel: Panel) -> str:
    limit = f", {panel.limit_name} {_number(panel.limit)}" if panel.limit is not None and panel.limit_name else ""
    return f" (0 to {_number(_top(panel))} {panel.unit}{limit}; at the end: its highest)"


def _top(panel: Panel) -> float:
    """The scale of a panel: percent always to 100, other figures to their highest."""
    return 100.0 if panel.unit == "%" else max(panel.top, 1e-9)


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _share(value: float | None) -> str:
    return _figure(value, "{:.0%}")


def _size(value: float | None) -> str:
    return "-" if value is None else format_bytes(value)


def _gib(mib: float | None) -> str:
    return "-" if mib is None else format_bytes(mib * 1024 * 1024)
