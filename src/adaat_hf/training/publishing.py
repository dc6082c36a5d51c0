"""A finished run as a pipeline folder that `AdaATPipeline.from_pretrained` loads, with a card that says how it was made."""

import json
import shutil
from pathlib import Path
from typing import Any, cast

import yaml
from huggingface_hub import ModelCardData

from ..bundled import bundled_path
from ..hub.cards import card_text, make_card
from ..hub.publishing import CARD, INDEX
from ..models.modeling_adaat import AdaATGenerator
from ..preparation.manifest import terms
from .arguments import TrainingArguments
from .checkpoints import replace_folder
from .records import SCORES, SETTINGS, SURROUNDINGS, read_rows
from .report import CURVES, describe_run, methods


BUNDLED = {"face": "bundled/face", "person": "bundled/person"}
PIPELINE = "pipeline"


def write_pipeline(folder: Path, output: Path, repository: str | None = None) -> Path:
    """Put a run's generator together with the bundled detector and control model; write the card.

    Args:
        folder (`Path`): Folder of the run, or of its last stage.
        output (`Path`): Where the folder `pipeline` goes.
        repository (`str`, *optional*): Name that the card shows; that of `output` by default.

    Returns:
        `Path`: `output/pipeline`.
    """
    args = TrainingArguments.from_dict(json.loads((folder / SETTINGS).read_text()))
    generator = AdaATGenerator.from_pretrained(folder / "generator")

    def fill(partial: Path) -> None:
        save_pipeline(generator, args, partial)
        name = json.loads((partial / INDEX).read_text())["_class_name"]
        if (folder / CURVES).is_file():
            shutil.copy(folder / CURVES, partial / CURVES)
        (partial / CARD).write_text(_card(folder, args, name, repository or output.name), encoding="utf-8")

    return replace_folder(output / PIPELINE, fill)


def save_pipeline(generator: AdaATGenerator, args: TrainingArguments, folder: Path) -> None:
    """Save the task's pipeline with the run's generator, for pictures of the run's size."""
    from ..pipelines.pipeline_face_reenactment import FaceReenactmentPipeline
    from ..pipelines.pipeline_pose_transfer import PoseTransferPipeline
    from ..processing.image_processing_adaat import AdaATImageProcessor

    height, width = args.size
    processor = AdaATImageProcessor(size={"height": height, "width": width})
    kind = FaceReenactmentPipeline if args.task == "face" else PoseTransferPipeline
    kind.from_pretrained(BUNDLED[args.task], generator=generator, image_processor=processor).save_pretrained(folder)
    if args.task == "person":
        name_person_generation(folder)


def name_person_generation(folder: Path) -> None:
    """Let a folder of pose transfer load as person image generation unless a class is named: it has all parts of both."""
    index = folder / INDEX
    named = json.loads(index.read_text()) | {"_class_name": "PersonGenerationPipeline"}
    index.write_text(json.dumps(named, indent=2) + "\n")


def _card(folder: Path, args: TrainingArguments, pipeline: str, repository: str) -> str:
    rows, found = read_rows(folder / SCORES), json.loads((folder / SURROUNDINGS).read_text())
    settings = {name: _public(value) for name, value in args.to_dict().items()}
    bundled = BUNDLED[args.task]
    parts = [
        describe_run(folder, settings, found),
        f"Data: {', '.join(f'`{name}`' for name in settings['train_data'])}. All parts but the generator are those of `{bundled}`,"
        " whose licence is stated; the training data may add terms of its own.",
    ]
    parts += terms(args.train_data)
    if (folder / CURVES).is_file():
        parts.append(f"![losses, scores and speed]({CURVES})")
    parts.append("```yaml\n" + yaml.safe_dump(settings, sort_keys=False).rstrip() + "\n```")
    held_out = f"the validation pairs in `{settings['validation_data']}`"
    return card_text(
        make_card(
            pipeline,
            repository,
            licence=_licence(bundled),
            scores=methods(rows[-1]) if rows else None,
            training="\n\n".join(parts),
            dataset=held_out,
        )
    )


def _public(value: Any) -> Any:
    """A setting without the folders of the machine that it was used on."""
    if isinstance(value, list):
        return [_public(item) for item in value]
    kind, separator, file = value.partition(":") if isinstance(value, str) else ("", "", "")
    if separator and Path(file).is_absolute():
        return f"{kind}:{_public(file)}"
    return "/".join(Path(value).parts[-2:]) if isinstance(value, str) and Path(value).is_absolute() else value


def _licence(bundled: str) -> str | None:
    from huggingface_hub import ModelCard

    card = ModelCard.load(cast(Path, bundled_path(bundled)) / CARD, ignore_metadata_errors=True)
    data: ModelCardData | Any = card.data
    return data.license
