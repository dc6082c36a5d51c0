# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf[mediapipe]", "anny>=0.6.2,<0.7", "warp-lang"]
# ///
"""Judge whose proportions moved persons have in the painted frames, where the truth is known: bodies of `anny` are rendered.

Every pair has a source and a driver in random clothes, those two of eight random bodies whose shins and arms differ most (where
hips are, detectors can only guess), and the motion of a held-out clip. Rendered, before an even wall, are the source's photograph,
the driver's clip, and the truth: the source in that motion. The pipeline gets photograph and clip, as a user has them.
`limb error` compares limb lengths in units of the trunk, as one and the same detector finds them in the painted frames and in the
truth, for our retargeting and for the driver's own key points; `of the film` is what that measure itself errs by: one half of
the truth against the other.

    python scripts/evaluate_proportions.py --clips motion/ --people scripts/configs/clip_people.yaml \\
        --detector mediapipe:pose_landmarker_full.task --json runs/proportions.json
"""

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from evaluate_pose import open_clips, paint, read_frames
from render_bodies import SIDE, BodyMaker, Shot, dress, render
from tqdm.auto import tqdm

from adaat_hf import BodyFitter
from adaat_hf.control.body_joints import LIMB_BONES
from adaat_hf.control.body_priors import usual_pose
from adaat_hf.control.rotation import rotation_matrix
from adaat_hf.evaluation.contact_sheet import contact_sheet
from adaat_hf.evaluation.pose_transfer import (
    drive_directly,
    film_error,
    fit_track,
    limb_lengths,
    measured_proportions,
    proportion_error,
)
from adaat_hf.pipelines.persons import SourcePerson
from adaat_hf.pipelines.pipeline_pose_transfer import PoseTransferPipeline
from adaat_hf.processing.body_tracking import BodyTrack, track_body
from adaat_hf.processing.images import save_image
from adaat_hf.processing.pose_files import BodyPose


# Colours of walls.
WALLS = 130, 230
# Bodies of which a pair is chosen, by the lengths of these limbs.
CANDIDATES = 8
JUDGED = [number for number, name in enumerate(LIMB_BONES) if "thigh" not in name]


@dataclass(frozen=True)
class Actor:
    """
    A rendered person who can do any motion.

    Args:
        maker ([`BodyMaker`]): Poses and renders it.
        build (`dict[str, torch.Tensor]`): Of one body of anny.
        colours (`np.ndarray` of shape (V, 3)): Skin and clothes.
    """

    maker: BodyMaker
    build: dict[str, torch.Tensor]
    colours: np.ndarray

    @classmethod
    def unlike_pair(cls, maker: BodyMaker) -> tuple["Actor", "Actor"]:
        """Those two of some people of any age and build whose limbs differ most."""
        builds = maker.bodies.sample(CANDIDATES, maker.rng)
        lengths = limb_lengths(torch.from_numpy(maker.bodies.rest(builds)))[:, JUDGED]
        unlike = (lengths[:, None] / lengths - 1).abs().mean(-1)
        first, second = divmod(int(unlike.argmax()), len(unlike))
        return cls._dressed(maker, builds, first), cls._dressed(maker, builds, second)

    @classmethod
    def _dressed(cls, maker: BodyMaker, builds: dict[str, torch.Tensor], number: int) -> "Actor":
        build = {name: values[[number]] for name, values in builds.items()}
        return cls(maker, build, dress(maker.bones, maker.rest(build)[0], maker.rng))

    def film(self, pose: torch.Tensor) -> np.ndarray:
        """Frames (T, H, W, 3), uint8, of joint rotations (T, 24, 3), on one floor."""
        builds = {name: value.expand(len(pose)) for name, value in self.build.items()}
        vertices, points = self.maker.pose(builds, rotation_matrix(pose).double().numpy())
        lowest = vertices[..., 1].min(1, keepdims=True)
        vertices[..., 1] -= lowest
        points[..., 1] -= lowest
        rng = self.maker.rng
        shot = replace(Shot.random(vertices, rng), back=np.full((SIDE, SIDE, 3), rng.uniform(*WALLS, 3)))
        shown = zip(vertices, points, strict=True)
        return np.stack([render(body, self.maker.faces, self.colours, places, shot)[0] for body, places in shown])


@dataclass(frozen=True)
class Motion:
    """Joint rotations (T, 24, 3) of a clip, and its frame rate."""

    pose: torch.Tensor
    fps: float


def read_motions(files: list[Path], detector: Any, fitter: BodyFitter) -> list[Motion]:
    """Motions of the clips that show the whole body."""
    motions = []
    for file in tqdm(files, desc="fitting bodies on cpu", unit="clip"):
        frames, fps = read_frames(file)
        body = fit_track(fitter, track_body(frames, detector), fps)
        if bool(body.known.all()):
            motions.append(Motion(body.pose, fps))
    return motions


@dataclass(frozen=True)
class Outcome:
    """Errors of one pair, and its films (T, H, W, 3) by name."""

    errors: dict[str, float]
    films: dict[str, np.ndarray]


def transfer(
    pipe: PoseTransferPipeline, fitter: BodyFitter, detector: Any, maker: BodyMaker, motion: Motion
) -> Outcome | None:
    """One pair; `None` if the detector does not find the people in it."""
    source, driver = Actor.unlike_pair(maker)
    photograph, driving, truth = source.film(usual_pose()[None]), driver.film(motion.pose), source.film(motion.pose)
    stands, moves = track_body(photograph, detector), track_body(driving, detector)
    if not (stands.found.all() and moves.found.any()):
        return None
    person = SourcePerson(photograph[0], BodyPose(stands.points[0], stands.visibility[0], photograph.shape[1:3]))
    direct = BodyTrack(drive_directly(moves, person.pose), moves.visibility, photograph.shape[1:3])
    films = {
        "driver": driving,
        "truth": truth,
        "ours": np.stack(
            list(pipe(photograph[0], list(driving), detector=detector, fps=motion.fps, crop_only=True).arrays())
        ),
        "direct": paint(pipe, [person], direct),
    }
    painted = {name: track_body(films[name], detector) for name in ("truth", "ours", "direct")}
    tracks = {"driver": moves, **painted}
    if not all(track.found.any() for track in tracks.values()):
        return None
    found = {name: measured_proportions(fitter, track, motion.fps) for name, track in tracks.items()}
    errors = {name: proportion_error(found[name], found["truth"]) for name in ("ours", "direct", "driver")}
    return Outcome({**errors, "of the film": film_error(fitter, tracks["truth"], motion.fps)}, films)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="folder of mp4 clips")
    parser.add_argument("--people", type=Path, required=True, help="YAML: subjects, and who is held out")
    parser.add_argument("--model", default="bundled/person", help="pipeline to judge (bundled/person)")
    parser.add_argument("--detector", default="bundled/person", help="'mediapipe:FILE' or a detector's folder")
    parser.add_argument("--pairs", type=int, default=12, help="pairs of bodies (12)")
    parser.add_argument("--seed", type=int, default=2, help="0 is that of the training data (2)")
    parser.add_argument("--sheets", type=Path, help="folder for contact sheets: driver, truth, ours, direct")
    parser.add_argument("--json", type=Path, help="file for the scores")
    args = parser.parse_args()
    pipe, detector, files = open_clips(args)
    fitter, maker = BodyFitter(pipe.body_model), BodyMaker(np.random.default_rng(args.seed))
    motions = read_motions(files, detector, fitter)
    rows, left_out = [], 0
    for number in tqdm(range(args.pairs), desc=f"moving bodies on {pipe.device}", unit="pair"):
        outcome = transfer(pipe, fitter, detector, maker, motions[number % len(motions)])
        if outcome is None:
            left_out += 1
            continue
        rows.append(outcome.errors)
        if args.sheets:
            args.sheets.mkdir(parents=True, exist_ok=True)
            strips = [contact_sheet(film, len(film), 8, 1, 160) for film in outcome.films.values()]
            save_image(np.vstack(strips), args.sheets / f"{number:02d}.png")
    if not rows:
        raise SystemExit(f"The detector {args.detector!r} found nobody in any of the {args.pairs} pairs.")
    scores = {f"limb error, {name}": float(np.mean([row[name] for row in rows])) for name in rows[0]}
    scores |= {"pairs": len(rows), "left out": left_out}
    print("\n".join(f"{name}: {value:.4g}" for name, value in scores.items()))
    if args.json:
        args.json.write_text(json.dumps({**scores, "by pair": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
