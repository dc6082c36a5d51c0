"""Means of a study's ratings."""

import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..atomic import write_text
from ..benchmark.report import markdown_table
from ..evaluation.results import Mean
from ..evaluation.statistics import bootstrap_mean
from .store import Rating


def method_means(ratings: Sequence[Rating]) -> dict[str, Mean]:
    """Mean rating of every method, best first, with its 95% bootstrap interval over raters."""
    scores: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for rating in ratings:
        scores[rating.method][rating.rater].append(rating.score)
    means = {
        method: bootstrap_mean(
            [float(np.mean(given)) for given in raters.values()], [len(given) for given in raters.values()]
        )
        for method, raters in scores.items()
    }
    return dict(sorted(means.items(), key=lambda item: -item[1].value))


def report_table(ratings: Sequence[Rating]) -> str:
    """Markdown: methods with their mean rating, interval, and number of ratings and raters."""
    rows = []
    for method, mean in method_means(ratings).items():
        own = [rating for rating in ratings if rating.method == method]
        rows.append([method, mean.text(2), str(len(own)), str(len({rating.rater for rating in own}))])
    return markdown_table(["method", "mean rating, 1 to 5", "ratings", "raters"], rows)


def export_ratings(ratings: Sequence[Rating], path: str | Path) -> Path:
    """Write every rating to a csv file: rater, method, case, score."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["rater", "method", "case", "score"])
    writer.writerows([rating.rater, rating.method, rating.case, rating.score] for rating in ratings)
    return write_text(Path(path), text.getvalue())


__all__ = ["export_ratings", "method_means", "report_table"]
