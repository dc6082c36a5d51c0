"""Painting faster with the same networks: an exact plan in PyTorch, other runtimes, and export to them."""

from .plan import InferencePlan, PlannedSource


__all__ = ["InferencePlan", "PlannedSource"]
