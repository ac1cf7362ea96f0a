"""How much electrical energy a run took, from the best that is known of it; an estimate, and never one of emissions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from compose_core.insight.gpu_samples import GpuUsage
    from compose_core.insight.usage import JobUsage

Basis = Literal["node_energy+pue", "sampler_power_draw+pue", "power_limit+pue", "configured_tdp+pue", "unavailable"]
_CONFIDENCE = {
    "node_energy+pue": "high",
    "sampler_power_draw+pue": "high",
    "power_limit+pue": "medium",
    "configured_tdp+pue": "low",
    "unavailable": "none",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerAssumptions:
    """What is taken for granted where nothing was measured."""

    gpu_tdp_w: float = 300.0
    cpu_watts_per_core: float = 8.0
    pue: float = 1.2
    """Power of the whole site by power of its computers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """Of one run; None where nothing is known."""

    kwh: float | None = None
    budget_kwh: float | None = None
    """What the allocated devices could have drawn in the time that the job ran."""
    basis: Basis = "unavailable"
    is_partial: bool = False
    """Some GPU did not tell its power, and is left out."""
    notes: tuple[str, ...] = ()

    @property
    def confidence(self) -> str:
        """high, medium, low or none."""
        return "medium" if self.is_partial else _CONFIDENCE[self.basis]

    @property
    def is_measured(self) -> bool:
        """Somebody measured power: without that, used by possible would say nothing but what was assumed."""
        return self.basis in ("node_energy+pue", "sampler_power_draw+pue")


def energy_of(usage: JobUsage, assumed: PowerAssumptions) -> Energy:
    """The energy of this run: as the site measured it, by sampled power, by power limits, by assumption."""
    hours = (usage.wall_s or 0.0) / 3600
    gpus = usage.gpus_allocated or usage.gpus_requested or 0
    cpus = usage.cpu.allocated or 0
    if not hours or not (gpus or cpus):
        return Energy()
    cpu_kwh = cpus * assumed.cpu_watts_per_core * hours / 1000
    devices = usage.samples.gpus if usage.samples is not None else ()
    watts = _limits(devices, gpus, assumed)
    budget = (watts * hours / 1000 + cpu_kwh) * assumed.pue
    if usage.node_energy_kwh is not None:
        return Energy(kwh=usage.node_energy_kwh * assumed.pue, budget_kwh=budget, basis="node_energy+pue")
    gpu_kwh, notes = _sampled(usage)
    if gpu_kwh is not None:
        total = (gpu_kwh + _busy_cpu_kwh(usage, cpu_kwh)) * assumed.pue
        told = sum(gpu.energy_j is not None for gpu in devices)
        return Energy(kwh=total, budget_kwh=budget, basis="sampler_power_draw+pue", is_partial=told < gpus, notes=notes)
    known = any(gpu.power_limit_w is not None for gpu in devices)
    basis: Basis = "power_limit+pue" if known else "configured_tdp+pue"
    return Energy(kwh=budget, budget_kwh=budget, basis=basis)


def _sampled(usage: JobUsage) -> tuple[float | None, tuple[str, ...]]:
    """What the GPUs drew; of a run that was sampled in part, as if the rest had been like it."""
    if usage.gpu_energy_kwh is None or not usage.gpu_energy_coverage:
        return None, ()
    covered = usage.gpu_energy_coverage
    if covered >= 0.99:
        return usage.gpu_energy_kwh, ()
    return usage.gpu_energy_kwh / covered, (
        f"power was sampled for {covered:.0%} of the run; the rest is taken to be like it",
    )


def _busy_cpu_kwh(usage: JobUsage, full_kwh: float) -> float:
    """CPUs draw power when they work; nobody measures it, so their share is assumed."""
    efficiency = usage.cpu.efficiency
    return full_kwh if efficiency is None else full_kwh * min(1.0, efficiency)


def _limits(devices: tuple[GpuUsage, ...], gpus: int, assumed: PowerAssumptions) -> float:
    """Watts of all GPUs: their own limits where they tell them, else the assumption."""
    known = [gpu.power_limit_w for gpu in devices if gpu.mig_device is None and gpu.power_limit_w is not None][:gpus]
    return sum(known) + max(0, gpus - len(known)) * assumed.gpu_tdp_w
