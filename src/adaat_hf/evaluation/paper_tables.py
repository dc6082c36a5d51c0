"""The paper's tables 1 and 2, with rows that were measured beside them, as Markdown and as `model-index` of model cards."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from huggingface_hub import EvalResult, ModelCardData

from ..benchmark.report import markdown_table
from .footage import EvaluationError
from .measures import MEASURES
from .results import Results


PAPER = "paper"
# Table 1 of the paper: SSIM and LPIPS of other methods and its own ("Ours") by data set, as printed there.
TABLE_1: dict[str, dict[str, tuple[float, float]]] = {
    "HDTF": {
        "MakeItTalk": (0.8273, 0.2135),
        "MonkeyNet": (0.8297, 0.1184),
        "FGNet": (0.8205, 0.1402),
        "AdaAT": (0.8421, 0.1120),
    },
    "VoxCeleb": {
        "X2Face": (0.7190, 0.2400),
        "FOMM": (0.7230, 0.1220),
        "Bi-layer": (0.3190, 0.2527),
        "PIRender": (0.7325, 0.1285),
        "AdaAT": (0.7508, 0.1254),
    },
    "iPER": {
        "PG2": (0.8540, 0.1350),
        "SHUP": (0.8320, 0.0990),
        "LiquidGAN": (0.8400, 0.0870),
        "TBN": (0.8680, 0.0860),
        "AdaAT": (0.8649, 0.0893),
    },
    "DeepFashion": {
        "PATN": (0.7730, 0.2533),
        "Intr-flow": (0.7780, 0.2131),
        "GFLA": (0.7900, 0.2341),
        "ADGAN": (0.7720, 0.2256),
        "XingGAN": (0.7780, 0.2927),
        "BiGraphGAN": (0.7780, 0.2444),
        "SPGNet": (0.7820, 0.2105),
        "AdaAT": (0.7952, 0.1989),
    },
}
DATASETS = tuple(TABLE_1)
# Table 2: the ablation; SSIM and LPIPS on the four data sets in this order.
TABLE_2: dict[str, tuple[tuple[float, float], ...]] = {
    "w/o AdaAT & AdaIN": ((0.817, 0.202), (0.730, 0.147), (0.864, 0.092), (0.773, 0.209)),
    "w/o AdaAT": ((0.828, 0.127), (0.739, 0.141), (0.863, 0.090), (0.787, 0.204)),
    "w/o AdaIN": ((0.837, 0.113), (0.742, 0.121), (0.864, 0.089), (0.778, 0.203)),
    "+ dense flow": ((0.783, 0.255), (0.617, 0.353), (0.845, 0.112), (0.762, 0.306)),
    "full": ((0.842, 0.112), (0.751, 0.125), (0.865, 0.089), (0.795, 0.199)),
}
COMPARED = ("ssim", "lpips")
# Their structural similarity is the paper's, so that their rows may stand in its tables.
COMPARABLE = ("adaat-paper", "voxceleb-reconstruction", "talking")


@dataclass(frozen=True)
class _Row:
    dataset: str
    method: str
    values: tuple[float, float]
    source: str
    digits: int = 4


def table_1(measured: Iterable[Results] = ()) -> str:
    """Markdown: the paper's rows, and the measured ones of the same data set below them.

    Args:
        measured (`Iterable[Results]`, *optional*): Results of protocols whose structural similarity is the paper's. Those on other
            data stand at the end: their numbers can be compared with each other, not with the paper's.

    Raises:
        EvaluationError: if one has another protocol.
    """
    rows = [_Row(name, method, pair, PAPER) for name, methods in TABLE_1.items() for method, pair in methods.items()]
    for results in measured:
        rows += _measured_rows(results)
    names = [*DATASETS, *dict.fromkeys(row.dataset for row in rows if row.dataset not in DATASETS)]
    lines = [line for name in names for line in _block([row for row in rows if row.dataset == name])]
    return markdown_table(["data", "method", "SSIM", "LPIPS", "from"], lines)


def table_2(measured: Iterable[Results] = ()) -> str:
    """Markdown: the paper's ablation, and the measured one beside it.

    Args:
        measured (`Iterable[Results]`, *optional*): Results whose methods have the names of the paper's conditions; others of
            their methods are left out.

    Raises:
        EvaluationError: if none of the methods has such a name.
    """
    groups = [(name, PAPER, {row: values[n] for row, values in TABLE_2.items()}, 3) for n, name in enumerate(DATASETS)]
    for results in measured:
        found = {row.method: row.values for row in _measured_rows(results) if row.method in TABLE_2}
        if not found:
            raise EvaluationError(
                f"The results on {results.dataset!r} have the methods {', '.join(results.methods)}; table 2 has {', '.join(TABLE_2)}."
            )
        groups.append((results.dataset, _source(results), found, 4))
    header = ["method"] + [
        f"{name} ({source}) {title}" for name, source, _, _ in groups for title in ("SSIM", "LPIPS")
    ]
    lines = []
    for condition in TABLE_2:
        cells = []
        for _, _, values, digits in groups:
            best = _best(list(values.values()))
            cells += _cells(values.get(condition, (math.nan, math.nan)), best, digits)
        lines.append([condition, *cells])
    return markdown_table(header, lines)


def _measured_rows(results: Results) -> list[_Row]:
    if results.protocol not in COMPARABLE:
        raise EvaluationError(
            f"The results on {results.dataset!r} were measured by the protocol {results.protocol!r}, whose SSIM is not the paper's;"
            f" expected one of {', '.join(COMPARABLE)}."
        )
    rows = []
    for method, means in results.methods.items():
        values = tuple(means[name].value if name in means else math.nan for name in COMPARED)
        rows.append(_Row(_known(results.dataset), method, (values[0], values[1]), _source(results)))
    return rows


def _known(dataset: str) -> str:
    """The paper's spelling of a data set."""
    return next((name for name in DATASETS if name.lower() == dataset.lower()), dataset)


def _source(results: Results) -> str:
    return f"measured, {results.protocol}"


def _block(rows: Sequence[_Row]) -> list[list[str]]:
    best = _best([row.values for row in rows])
    return [[row.dataset, row.method, *_cells(row.values, best, row.digits), row.source] for row in rows]


def _best(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Best SSIM and LPIPS of a block; a film that is compared with itself does not count."""
    real = [pair for pair in pairs if not math.isnan(pair[0]) and pair != (1.0, 0.0)]
    return max((pair[0] for pair in real), default=math.nan), min((pair[1] for pair in real), default=math.nan)


def _cells(values: tuple[float, float], best: tuple[float, float], digits: int) -> list[str]:
    shown = ["–" if math.isnan(value) else f"{value:.{digits}f}" for value in values]
    return [f"**{text}**" if value == top else text for text, value, top in zip(shown, values, best, strict=True)]


def evaluation_results(results: Sequence[Results], method: str, task: str = "image-to-video") -> list[EvalResult]:
    """What was measured of a method, for the metadata of its model card.

    Args:
        results (`Sequence[Results]`): On one or several data sets.
        method (`str`): Which of their methods.
        task (`str`, *optional*, defaults to `"image-to-video"`): The Hub's name of the task.

    Raises:
        EvaluationError: if the method is in none of them.
    """
    found = [
        EvalResult(
            # The Hub takes results of one type of data for one table.
            task_type=task, dataset_type=re.sub(r"\W+", "-", one.dataset.lower()), dataset_name=one.dataset, metric_type=name,
            metric_name=f"{MEASURES[name].title} ({one.protocol})", metric_value=round(mean.value, MEASURES[name].digits),
        )
        for one in results for name, mean in one.methods.get(method, {}).items()
    ]  # fmt: skip
    if not found:
        known = sorted({name for one in results for name in one.methods})
        raise EvaluationError(
            f"There is no method {method!r} in the results, expected one of {', '.join(known) or 'none'}."
        )
    return found


def model_index(results: Sequence[Results], method: str, repository: str) -> str:
    """The `model-index` of a repository's model card, as YAML; see [`evaluation_results`]."""
    return ModelCardData(model_name=repository, eval_results=evaluation_results(results, method)).to_yaml()


__all__ = ["TABLE_1", "TABLE_2", "evaluation_results", "model_index", "table_1", "table_2"]
