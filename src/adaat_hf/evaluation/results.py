"""Means of several methods with their settings: as a table, and as a file that tables and cards are made of."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..benchmark.report import markdown_table
from .footage import EvaluationError
from .measures import MEASURES
from .protocols import find_protocol


@dataclass(frozen=True)
class Mean:
    """A measure's mean over all frames, and how far chance of the clips may have moved it.

    Args:
        value (`float`): The mean.
        low, high (`float`, *optional*): Ends of its 95% interval; `None` for less than two clips, or where there is none.
    """

    value: float
    low: float | None = None
    high: float | None = None

    def text(self, digits: int, interval: bool = True) -> str:
        """For a table's cell."""
        if not math.isfinite(self.value):
            return "–"
        if not interval or self.low is None or self.high is None:
            return f"{self.value:.{digits}f}"
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


@dataclass(frozen=True)
class Results:
    """What an evaluation found.

    Args:
        protocol (`str`): Name of the protocol.
        dataset (`str`): Name of the data.
        settings (`Mapping[str, str]`): Everything that a reader must know to get the same numbers.
        methods (`Mapping[str, Mapping[str, Mean]]`): By method and measure.
    """

    protocol: str
    dataset: str
    settings: Mapping[str, str]
    methods: Mapping[str, Mapping[str, Mean]]

    @property
    def measures(self) -> list[str]:
        """Names of the measures that at least one method has, in the protocol's order."""
        return [
            name for name in find_protocol(self.protocol).measures if any(name in row for row in self.methods.values())
        ]

    def describe(self) -> str:
        """Every setting, one per line."""
        return "\n".join(f"{name}: {text}" for name, text in self.settings.items())

    def table(self, interval: bool = True, measures: Sequence[str] | None = None) -> str:
        """Markdown: a row for every method.

        Args:
            interval (`bool`, *optional*, defaults to `True`): Show the intervals.
            measures (`Sequence[str]`, *optional*): The columns; all that were measured by default.

        Raises:
            ValueError: if there is no such measure.
        """
        names = self.measures if measures is None else measures
        unknown = [name for name in names if name not in MEASURES]
        if unknown:
            raise ValueError(f"There is no measure {unknown[0]!r}, expected some of {', '.join(MEASURES)}.")
        missing = Mean(math.nan)
        rows = [
            [method, *(row.get(name, missing).text(MEASURES[name].digits, interval) for name in names)]
            for method, row in self.methods.items()
        ]
        return markdown_table(["method", *(MEASURES[name].title for name in names)], rows)

    def to_dict(self) -> dict[str, Any]:
        """For JSON; the reverse of [`read_results`]."""
        return {
            "protocol": self.protocol,
            "dataset": self.dataset,
            "settings": dict(self.settings),
            "methods": {
                method: {name: asdict(mean) for name, mean in row.items()} for method, row in self.methods.items()
            },
        }


def read_results(path: str | Path) -> Results:
    """Read a `results.json` of `adaat evaluate`.

    Raises:
        EvaluationError: if it holds something else.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        methods = {
            method: {name: Mean(**mean) for name, mean in row.items()} for method, row in content["methods"].items()
        }
        find_protocol(content["protocol"])
        return Results(content["protocol"], content["dataset"], content["settings"], methods)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvaluationError(f"{str(path)!r} holds no results of adaat evaluate.") from error


__all__ = ["Mean", "Results", "read_results"]
