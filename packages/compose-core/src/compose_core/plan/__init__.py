"""ComposeSpec → Plan: frozen data in which each default carries its reason."""

from compose_core.plan.build import build_plan
from compose_core.plan.context import PlanContext
from compose_core.plan.model import Plan, PlannedStep

__all__ = ["Plan", "PlanContext", "PlannedStep", "build_plan"]
