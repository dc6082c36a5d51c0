# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf[train,mediapipe]"]
# ///
"""Train the landmarker from a YAML file, with MediaPipe as the teacher of whole pictures.

The packs (scripts/prepare_clips.py) bring landmarks of crops; the folders under `scenes` are labelled on the way.

    python scripts/train_landmarker.py --config scripts/configs/landmarker.yaml --teacher face_landmarker.task
"""

import argparse
from pathlib import Path

import yaml

from adaat_hf.processing.landmarks_mediapipe import MediaPipeLandmarker
from adaat_hf.training.landmarker_trainer import LandmarkerArguments, LandmarkerTrainer
from adaat_hf.training.scenes import load_scenes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True, help="MediaPipe's face_landmarker.task")
    parser.add_argument("--output-dir", help="replaces output_dir of the file")
    parser.add_argument("--time-limit", type=float, help="minutes after which the run saves a checkpoint and ends")
    args = parser.parse_args()
    chosen = {"output_dir": args.output_dir, "time_limit": args.time_limit}
    values = yaml.safe_load(args.config.read_text()) | {k: v for k, v in chosen.items() if v is not None}
    settings = LandmarkerArguments(**values)
    teacher = MediaPipeLandmarker(args.teacher, max_faces=5)
    scenes = load_scenes(settings.scenes, teacher, Path(settings.output_dir) / "scene_labels")
    LandmarkerTrainer(settings, scenes).train()


if __name__ == "__main__":
    main()
