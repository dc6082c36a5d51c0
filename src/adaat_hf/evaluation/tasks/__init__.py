"""Tasks whose clips are painted before they are scored."""

from .base import Painter, PaintingTask, PaintSettings, evaluate_task
from .cross_identity import CrossIdentity
from .persons import PersonPairs
from .reconstruction import Reconstruction
from .talking import Talking


__all__ = [
    "CrossIdentity",
    "PaintSettings",
    "Painter",
    "PaintingTask",
    "PersonPairs",
    "Reconstruction",
    "Talking",
    "evaluate_task",
]
