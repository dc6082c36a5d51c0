"""Model cards: what a pipeline does, how it is used, what it must not be used for, and how well it does it."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from ..evaluation.measures import MEASURES


TEMPLATE = Path(__file__).parent / "model_card_template.md"
# What stands for the repository's name in the templates under `pipelines/`.
PLACEHOLDER = "REPOSITORY"
# Names of the evaluations' scores as the Hub's metrics.
METRICS = {name: measure.title for name, measure in MEASURES.items()}


@dataclass(frozen=True)
class TaskText:
    """What a card says of a task.

    Args:
        folder (`str`): Its folder under `pipelines/`.
        title (`str`): Heading.
        summary (`str`): A sentence.
        kind (`str`): The Hub's `pipeline_tag`.
        tags (`tuple[str, ...]`): Further tags.
        call (`str`): Two lines of code that use `pipe`.
        notes (`str`): What inputs may be.
        purposes (`str`), misuse (`str`): What it is for, and what not.
    """

    folder: str
    title: str
    summary: str
    kind: str
    tags: tuple[str, ...]
    call: str
    notes: str = ""
    purposes: str = "research, film, accessibility and play, with pictures of people who agreed to it"
    misuse: str = "pictures of people without their consent, deception, or anything unlawful"


TASKS = {
    "FaceReenactmentPipeline": TaskText(
        "face_reenactment",
        "Face reenactment with AdaAT",
        "A photograph takes over the expression and head motion of a driver.",
        "image-to-video",
        ("face-reenactment", "image-animation", "adaat"),
        'pipe(source="me.jpg", driving="clip.mp4").save("out.mp4")',
    ),
    "TalkingFacePipeline": TaskText(
        "talking_face",
        "Talking face with AdaAT",
        "A photograph says what a sound contains: lips from the speech, brows, blinks and head motion to go with it.",
        "image-to-video",
        ("talking-head", "audio-driven", "image-animation", "adaat"),
        'pipe(source="me.jpg", sound="speech.wav", emotion="happy").save("out.mp4")',
        purposes="research, film, accessibility and play, with pictures and voices of people who agreed to it",
        misuse="putting words into anybody's mouth without their consent, deception, or anything unlawful",
    ),
    "PoseTransferPipeline": TaskText(
        "pose_transfer",
        "Pose transfer with AdaAT",
        "A photographed person moves as somebody else does, with their own proportions, before their own background.",
        "image-to-video",
        ("pose-transfer", "motion-transfer", "image-animation", "adaat"),
        'pipe(source="person.jpg", driving="dance.mp4").save("out.mp4")',
        purposes="research, film, fashion and play, with pictures of people who agreed to it",
    ),
    "PersonGenerationPipeline": TaskText(
        "person_generation",
        "Person image generation with AdaAT",
        "A photographed person in another pose.",
        "image-to-image",
        ("person-image-generation", "pose-transfer", "adaat"),
        'result = pipe(source="me.jpg", pose=["other.jpg", "pose.json"])\nresult.save_grid("grid.png")',
        "Poses come from photographs, from files of key points (18 points in OpenPose's order, OpenPose json, COCO-17,\n"
        "MediaPipe-33) or from lists of points. Several photographs of the person in the same clothes may be given as"
        " `source`.",
        purposes="research, film, fashion and play, with pictures of people who agreed to it",
    ),
}


def make_card(
    pipeline: str,
    repository: str,
    *,
    licence: str | None = None,
    scores: Mapping[str, Mapping[str, float]] | None = None,
    training: str = "",
    dataset: str = "held-out data",
) -> ModelCard:
    """The card of a repository.

    Args:
        pipeline (`str`): Name of the pipeline's class.
        repository (`str`): Its name on the Hub.
        licence (`str`, *optional*): The Hub's name of a licence, such as `"cc-by-nc-4.0"`.
        scores (`Mapping`, *optional*): Scores by method, as the evaluation scripts write them; those of the last method
            are stated as this model's.
        training (`str`, *optional*): Markdown on data and training.
        dataset (`str`, *optional*): Name of the data of the scores.

    Raises:
        ValueError: if the pipeline is unknown.
    """
    if pipeline not in TASKS:
        raise ValueError(f"The pipeline is {pipeline!r}, expected one of {sorted(TASKS)}.")
    task = TASKS[pipeline]
    measured = list((scores or {}).values())
    results = _results(measured[-1], task, dataset) if measured else None
    data = ModelCardData(
        library_name="adaat-hf",
        license=licence,
        pipeline_tag=task.kind,
        tags=list(task.tags),
        metrics=["ssim", "lpips"],
        model_name=repository if results else None,
        eval_results=results,
    )
    return ModelCard.from_template(
        data,
        template_path=str(TEMPLATE),
        task=task,
        pipeline=pipeline,
        repository=repository,
        training=training.strip(),
        table=scores_table(scores) if scores else "",
        dataset=dataset,
    )


def card_text(card: ModelCard) -> str:
    """The card as it is written to a file."""
    return str(card).rstrip() + "\n"


def read_scores(path: str | Path) -> dict[str, dict[str, float]]:
    """Scores by method from the `results.json` of `adaat evaluate`, or from a file of an evaluation script.

    Raises:
        ValueError: if it holds something else.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        if "protocol" in found:
            found = {
                method: {key: mean["value"] for key, mean in row.items()} for method, row in found["methods"].items()
            }
        return {str(name): {key: float(value) for key, value in means.items()} for name, means in found.items()}
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise ValueError(f"{str(path)!r} holds no scores by method, as the evaluation scripts write them.") from error


def _shown(scores: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in scores.items() if name in METRICS and math.isfinite(value)}


def _results(scores: Mapping[str, float], task: TaskText, dataset: str) -> list[EvalResult] | None:
    return [
        EvalResult(
            task_type=task.kind, dataset_type="custom", dataset_name=dataset, metric_type=name,
            metric_name=METRICS[name], metric_value=round(value, 4),
        )
        for name, value in _shown(scores).items()
    ] or None  # fmt: skip


def scores_table(scores: Mapping[str, Mapping[str, float]]) -> str:
    """Markdown: a row for every method, a column for every score that one of them has."""
    names = [name for name in METRICS if any(name in _shown(means) for means in scores.values())]
    rows = [f"| method | {' | '.join(METRICS[name] for name in names)} |", "|---" * (len(names) + 1) + "|"]
    for method, means in scores.items():
        cells = [f"{means[name]:.4f}" if name in _shown(means) else "" for name in names]
        rows.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(rows)


def plain_card(pipeline: str) -> str:
    """The card under `pipelines/<task>/`, with a placeholder for the repository's name."""
    return card_text(make_card(pipeline, PLACEHOLDER))
