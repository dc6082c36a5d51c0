# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf[mediapipe]"]
# ///
"""Judge pose transfer on held-out people: whose proportions the moved person has, and how steady the background is.

Every clip of `--clips` gives a motion and `--sources` photographs (frames spread over it, each the one with the most points of
its part). Across persons, `limb error` compares limb lengths in units of the trunk with the source's, measured on its own
clip: in the key points that the network gets ("asked") and as found in the painted frames ("painted"), for our retargeting and
for the driver's own key points. `of the film` is what the measure itself errs by: one half of the source's clip against the
other. Within a clip, `flicker` is the change of the background between frames, beside that of the film.

    python scripts/evaluate_pose.py --clips motion/ --people scripts/configs/clip_people.yaml \\
        --detector mediapipe:pose_landmarker_full.task --json runs/pose.json

With `--cut-off BACKBONE`, every clip is cut at the waist and painted from its first frame: how well somebody moves whom the
photograph shows by half, beside the first frame as it is (LPIPS by AlexNet's weights in that file).

With `--follow`, nothing is painted: how far the body that is fitted to a whole clip is from the detector's key points, in units
of the trunk.

With `--synthetic N`, bodies of known shapes are transferred instead: fitted from noisy key points, compared with the truth
(key points with an error of 1.5 px, a tenth of them missing; a body is about 250 px tall).
"""

import argparse
import json
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from adaat_hf import BodyFitter, PoseTransferPipeline, VideoReader, retarget_body
from adaat_hf.control.body_joints import to_body18
from adaat_hf.control.body_model import load_body_model
from adaat_hf.devices import best_device
from adaat_hf.evaluation.backbones import lpips_metric
from adaat_hf.evaluation.body_motion import body_errors, random_motion, random_photographs
from adaat_hf.evaluation.metrics import compare
from adaat_hf.evaluation.pose_transfer import (
    background_flicker,
    drive_directly,
    film_error,
    fit_track,
    limb_proportions,
    measured_proportions,
    proportion_error,
)
from adaat_hf.pipelines.moving_person import MovingPerson
from adaat_hf.pipelines.persons import SourcePerson
from adaat_hf.pipelines.source_bodies import fit_people
from adaat_hf.processing.backends import open_body_detector
from adaat_hf.processing.body_keypoints import HIPS, SHOULDERS
from adaat_hf.processing.body_tracking import BodyTrack, track_body
from adaat_hf.processing.pose_files import BodyPose
from adaat_hf.training.packs import to_tensor
from adaat_hf.training.people import People


CLIP_FRAMES = 24


class Clip:
    """A held-out clip: frames, the followed person, the photographs that are taken of it, and what is fitted to them."""

    def __init__(self, file: Path, detector: Any, fitter: BodyFitter, sources: int) -> None:
        self.name = file.stem
        self.frames, self.fps = read_frames(file)
        self.track = track_body(self.frames, detector)
        seen = (self.track.visibility > 0).sum(1)
        parts = np.array_split(np.arange(len(seen)), sources)
        chosen = sorted((int(part[seen[part].argmax()]) for part in parts), key=lambda number: -seen[number])
        photographs = [self._photograph(number) for number in chosen]
        self.photographs, bodies = fit_people(fitter, photographs)
        self.body = bodies.frames(slice(0, 1))
        self.motion = fit_track(fitter, self.track, self.fps)
        self.proportions = limb_proportions(fitter.model, self.motion)
        self.error = film_error(fitter, self.track, self.fps)

    def _photograph(self, number: int) -> SourcePerson:
        frame, track = self.frames[number], self.track
        return SourcePerson(frame, BodyPose(track.points[number], track.visibility[number], frame.shape[:2]))


def read_frames(file: Path) -> tuple[np.ndarray, float]:
    """Frames spread over a clip (T, H, W, 3), and their rate."""
    reader = VideoReader(file)
    step = max(1, reader.frame_estimate // CLIP_FRAMES)
    frames = np.stack([frame for number, frame in enumerate(reader) if number % step == 0][:CLIP_FRAMES])
    return frames, float(reader.fps) / step


def across(
    pipe: PoseTransferPipeline | None, source: Clip, driver: Clip, detector: Any, fitter: BodyFitter
) -> dict[str, float]:
    """Limb errors of one person in another one's motion; without a pipeline only of the key points."""
    moved = retarget_body(fitter.model, source.body, driver.motion)
    size = source.frames.shape[1:3]
    full = np.ones_like(driver.track.visibility)
    asked = {
        "ours": BodyTrack(moved.project(fitter.model).numpy(), full, size),
        "direct": BodyTrack(drive_directly(driver.track, source.photographs[0].pose), driver.track.visibility, size),
    }
    wanted = source.proportions
    errors = {"of the film": source.error}
    for name, track in asked.items():
        errors[f"{name}, asked"] = proportion_error(measured_proportions(fitter, track, driver.fps), wanted)
        if pipe is None:
            continue
        frames = paint(pipe, source.photographs, track)
        found = track_body(frames, detector)
        if found.found.any():
            errors[f"{name}, painted"] = proportion_error(measured_proportions(fitter, found, driver.fps), wanted)
    return errors


def paint(pipe: PoseTransferPipeline, photographs: list[SourcePerson], track: BodyTrack) -> np.ndarray:
    """The person of some photographs in given key points, as they are."""
    processor, divisor = pipe.image_processor, pipe.generator.config.size_divisor
    height = int(processor.size["height"])
    scene = MovingPerson.prepare(photographs, track.points, track.visibility, processor, height, divisor)
    return np.stack(list(pipe.paint_scene(scene)))


def within(pipe: PoseTransferPipeline, clip: Clip, detector: Any) -> dict[str, float]:
    """Flicker of a clip that is painted from one of its frames, and of the clip itself."""
    result = pipe(clip.photographs[0].picture, list(clip.frames), detector=detector, fps=clip.fps)
    painted = np.stack(list(result.arrays()))
    tracks = [clip.track, track_body(painted, detector)]
    return {"painted": background_flicker(painted, tracks), "film": background_flicker(clip.frames, tracks)}


def cut_off(args: argparse.Namespace) -> dict[str, float]:
    """Similarity of people who are cut off at the waist with their film."""
    pipe, detector, files = open_clips(args)
    lpips, scores = lpips_metric(args.cut_off), defaultdict(list)
    for file in tqdm(files, desc=f"people cut off on {pipe.device}", unit="clip"):
        frames, fps = read_frames(file)
        first = track_body(frames[:1], detector)
        hips = first.points[0, list(HIPS)][first.visibility[0, list(HIPS)] > 0]
        frames = frames[:, : int(hips[:, 1].min()) if len(hips) else None]
        painted = np.stack(list(pipe(frames[0], list(frames), detector=detector, fps=fps).arrays()))
        for name, shown in (("painted", painted), ("first frame", np.broadcast_to(frames[:1], frames.shape))):
            pairs = zip(shown[1:], frames[1:], strict=True)
            found = [compare(to_tensor(picture), to_tensor(target), lpips) for picture, target in pairs]
            scores[f"{name}, ssim"].append(np.mean([one.ssim for one in found]))
            scores[f"{name}, lpips"].append(np.mean([one.lpips for one in found]))
    return {name: float(np.mean(values)) for name, values in scores.items()}


def follow(args: argparse.Namespace) -> dict[str, float]:
    """Mean distance of the fitted body's key points from those that were found in each clip, in units of the trunk."""
    pipe, detector, files = open_clips(args)
    fitter, scores = BodyFitter(pipe.body_model), {}
    for file in tqdm(files, desc="fitting bodies on cpu", unit="clip"):
        reader = VideoReader(file)
        track = track_body(reader, detector)
        points, seen = torch.from_numpy(track.points), torch.from_numpy(track.visibility)
        motion = fitter.fit(points, seen, float(reader.fps))
        body = to_body18(motion.points(fitter.model))
        trunk = (body[:, SHOULDERS].mean(1) - body[:, HIPS].mean(1)).norm(dim=-1).median() * motion.scale.median()
        apart = (motion.project(fitter.model) - points).norm(dim=-1)[seen > 0] / trunk
        scores[file.stem] = float(apart.mean())
    return scores


def synthetic(count: int, sources: int) -> dict[str, float]:
    """Fits and transfers of bodies of which the truth is known."""
    model = load_body_model("bundled/person")
    fitter, rows = BodyFitter(model), []
    for seed in tqdm(range(count), desc="synthetic bodies on cpu", unit="body"):
        rng = np.random.default_rng(1000 + seed)
        truth = random_motion(model, 100, rng, facing=2.0)
        source = random_photographs(model, sources, rng)
        seen = [torch.from_numpy((rng.random((len(t), 18)) > 0.1).astype(np.float32)) for t in (truth, source)]
        noisy = [
            t.project(model) + torch.from_numpy(rng.normal(0, 1.5, (len(t), 18, 2))).float() for t in (truth, source)
        ]
        driving = fitter.fit(noisy[0], seen[0], 25.0)
        own = fitter.fit(noisy[1], seen[1], None).frames(slice(0, 1))
        moved = retarget_body(model, own, driving)
        wanted = limb_proportions(model, source)
        row = asdict(body_errors(model, driving, truth))
        row["limb error of ours"] = proportion_error(limb_proportions(model, moved), wanted)
        row["limb error of the driver's limbs"] = proportion_error(limb_proportions(model, truth), wanted)
        rows.append(row)
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, help="folder of mp4 clips")
    parser.add_argument("--people", type=Path, help="YAML: subjects, and who is held out")
    parser.add_argument("--model", default="bundled/person", help="pipeline to judge (bundled/person)")
    parser.add_argument("--detector", default="bundled/person", help="'mediapipe:FILE' or a detector's folder")
    parser.add_argument(
        "--synthetic", type=int, default=0, metavar="N", help="transfer N bodies of known shapes instead"
    )
    parser.add_argument("--follow", action="store_true", help="fit bodies to the whole clips instead")
    parser.add_argument("--cut-off", metavar="BACKBONE", help="paint the clips cut at the waist instead")
    parser.add_argument("--sources", type=int, default=1, metavar="N", help="photographs of every person (1)")
    parser.add_argument("--drivers", type=int, default=2, metavar="N", help="drivers of every person (2)")
    parser.add_argument(
        "--key-points-only", action="store_true", help="paint nothing, which takes a tenth of the time"
    )
    parser.add_argument("--json", type=Path, help="file for the scores")
    args = parser.parse_args()
    if args.synthetic:
        scores = synthetic(args.synthetic, args.sources)
    else:
        scores = (follow if args.follow else cut_off if args.cut_off else judge)(args)
    print("\n".join(f"{name}: {value:.4g}" for name, value in scores.items()))
    if args.json:
        args.json.write_text(json.dumps(scores, indent=2) + "\n")


def open_clips(args: argparse.Namespace, everybody: bool = False) -> tuple[PoseTransferPipeline, Any, list[Path]]:
    """Pipeline, detector, and one clip of each of the people, of those held out or of all."""
    people, detector = People.from_yaml(args.people), open_body_detector(args.detector)
    subjects = set(people.subjects.values()) if everybody else people.held_out
    names = {subject: min(n for n, s in people.subjects.items() if s == subject) for subject in subjects}
    pipe = PoseTransferPipeline.from_pretrained(args.model).to(best_device(None))
    pipe.set_progress_bar_config(disable=True)
    return pipe, detector, [args.clips / f"{name}.mp4" for name in sorted(names.values())]


def judge(args: argparse.Namespace) -> dict[str, float]:
    """Means over the held-out people: one clip of each."""
    pipe, detector, files = open_clips(args)
    fitter = BodyFitter(pipe.body_model)
    clips = [Clip(file, detector, fitter, args.sources) for file in tqdm(files, desc="reading clips", unit="clip")]
    pairs = [
        (clip, clips[(n + step) % len(clips)]) for n, clip in enumerate(clips) for step in range(1, args.drivers + 1)
    ]
    painter = None if args.key_points_only else pipe
    rows = [across(painter, *pair, detector, fitter) for pair in tqdm(pairs, desc="across persons", unit="pair")]
    scores = {
        f"limb error, {name}": float(np.mean([row[name] for row in rows if name in row]))
        for name in ("of the film", "ours, asked", "direct, asked", "ours, painted", "direct, painted")
        if any(name in row for row in rows)
    }
    if painter is None:
        return scores
    flickers = {clip.name: within(pipe, clip, detector) for clip in tqdm(clips, desc="within clips", unit="clip")}
    for name, values in flickers.items():
        scores |= {f"flicker of {name}, {which}": value for which, value in values.items()}
    return scores


if __name__ == "__main__":
    main()
