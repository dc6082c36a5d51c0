"""Coarse to fine: stages of one configuration, each starting from the network of the one before (paper, section 5.1)."""

import json
from pathlib import Path
from typing import Any

from ..atomic import write_text
from ..control.face_model import load_face_model
from .arguments import TrainingArguments
from .trainer import Trainer


FINISHED = "finished.json"


def train_stages(args: TrainingArguments, face_model: str = "bundled/face") -> dict[str, float]:
    """Train the stages of `args.stages` one after the other, or the only stage if there are none.

    With several stages each has a folder of its own, `output_dir/stage-1` and so on, and starts from the generator and
    discriminator of the one before; the first starts from `init_from`, if that is set. What was interrupted continues, finished
    stages are passed over. The last stage's networks carry all stages' settings in their configuration.

    Args:
        args (`TrainingArguments`): Settings of the run.
        face_model (`str`, *optional*, defaults to `"bundled/face"`): Folder of the face model, for `fitted_keypoints`.

    Returns:
        `dict[str, float]`: Validation scores of the last stage.
    """
    scores: dict[str, float] = {}
    history: list[dict[str, Any]] = []
    for stage in args.each_stage():
        model = load_face_model(face_model) if stage.task == "face" and stage.fitted_keypoints else None
        history.append(_summary(stage))
        record = Path(stage.output_dir) / FINISHED
        found = json.loads(record.read_text()) if record.is_file() else None
        if found is not None and found["settings"] == stage.to_dict():
            scores = found["scores"]
            continue
        trainer = Trainer(stage, model, list(history))
        scores = trainer.train()
        if trainer.step < stage.max_steps:
            break
        if trainer.accelerator.is_main_process:
            write_text(record, json.dumps({"settings": stage.to_dict(), "scores": scores}, indent=2))
        trainer.accelerator.wait_for_everyone()
    return scores


def _summary(stage: TrainingArguments) -> dict[str, Any]:
    return {name: getattr(stage, name) for name in ("resolution", "max_steps", "batch_size", "learning_rate", "seed")}
