# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf[train,mediapipe]"]
# ///
"""Train the landmarker from a YAML file, with MediaPipe as the teacher of whole pictures.

The folders under `scenes` are labelled on the way; for faces, packs (`adaat prepare`) bring landmarks of crops.

    python scripts/train_landmarker.py --config scripts/configs/landmarker.yaml --teacher face_landmarker.task
    python scripts/train_landmarker.py --config scripts/configs/body_landmarker.yaml --teacher pose_landmarker_full.task
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import yaml

from adaat_hf.processing.bodies_mediapipe import MediaPipeBodyDetector
from adaat_hf.processing.body_keypoints import BODY18
from adaat_hf.processing.landmarks_mediapipe import MediaPipeLandmarker
from adaat_hf.training.body_scenes import load_body_scenes, load_labelled_bodies
from adaat_hf.training.landmarker_trainer import LandmarkerArguments, LandmarkerTrainer
from adaat_hf.training.people import SEPARATOR, People
from adaat_hf.training.scenes import Scene, load_scenes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True, help="MediaPipe's task file for faces or bodies")
    parser.add_argument("--output-dir", help="replaces output_dir of the file")
    parser.add_argument("--time-limit", type=float, help="minutes after which the run saves a checkpoint and ends")
    args = parser.parse_args()
    chosen = {"output_dir": args.output_dir, "time_limit": args.time_limit}
    values = yaml.safe_load(args.config.read_text()) | {k: v for k, v in chosen.items() if v is not None}
    settings = LandmarkerArguments(**values)
    LandmarkerTrainer(settings, label_scenes(settings, args.teacher)).train()


def label_scenes(settings: LandmarkerArguments, teacher: Path) -> Sequence[Scene]:
    labels = Path(settings.output_dir) / "scene_labels"
    if settings.model.get("layout") != BODY18.name:
        return load_scenes(
            settings.scenes, MediaPipeLandmarker(teacher, max_faces=5), labels, settings.frames_per_video
        )
    exclude = list(settings.exclude)
    if settings.exclude_held_out:
        people = People.from_yaml(settings.exclude_held_out)
        exclude += [name + SEPARATOR for name in people.not_for_training()]
    bodies = MediaPipeBodyDetector(teacher, silhouettes=bool(settings.model.get("parts")))
    known = [scene for folder in settings.labelled for scene in load_labelled_bodies(Path(folder))]
    return load_body_scenes(settings.scenes, bodies, labels, exclude, settings.frames_per_video) + known


if __name__ == "__main__":
    main()
