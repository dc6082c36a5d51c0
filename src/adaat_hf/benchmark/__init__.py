"""Speed in one run: the released code's way, every step that is faster, whole pipelines, and other programs."""

from .report import Report, Row
from .running import PARTS, BenchmarkOptions, run_benchmark


__all__ = ["PARTS", "BenchmarkOptions", "Report", "Row", "run_benchmark"]
