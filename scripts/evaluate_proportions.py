# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf[mediapipe]", "anny>=0.6.2,<0.7", "warp-lang"]
# ///
"""Judge whose proportions moved persons have in the painted frames, where the truth is known: bodies of `anny` are rendered.

Every pair has a source and a driver, in random order those two of forty random bodies whose shins and arms differ most (where hips
are, detectors can only guess), and the motion of a clip: of the held-out people, or with `--everybody` of all. Rendered, before an
even wall, are photographs of the source, the driver's clip, and the truth: the source in that motion. Photographs and clip are all
that is known of them, as of a user's. Detectors see people dressed; what is painted wears coloured rings, by whose distances limbs
are measured in the painted frames: a detector's own idea of a body would level the differences.
`limb error` compares limb lengths in units of the trunk with the truth's, for our retargeting and for the driver's own key points:
"painted", by the rings, and "asked", which is how long the photographed limbs get by the key points that the painter is given.
`true key points` are the truth's, as the detector finds them: what detector, measure and painting err by themselves. With
`--key-points-only` nothing is painted, which takes a fifth of the time.

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
from ringed_limbs import limb_changes, ring_limbs, seen_long
from tqdm.auto import tqdm

from adaat_hf import BodyFitter, retarget_body
from adaat_hf.control.body_joints import LIMB_BONES, SMPL24_NAMES
from adaat_hf.control.body_model import AdaATBodyModel
from adaat_hf.control.body_priors import usual_pose
from adaat_hf.control.body_retargeting import visible_points
from adaat_hf.control.rotation import rotation_matrix
from adaat_hf.evaluation.body_motion import random_photographs
from adaat_hf.evaluation.contact_sheet import contact_sheet
from adaat_hf.evaluation.pose_transfer import drive_directly, fit_track, limb_lengths
from adaat_hf.pipelines.persons import SourcePerson
from adaat_hf.pipelines.pipeline_pose_transfer import PoseTransferPipeline
from adaat_hf.pipelines.source_bodies import fit_people
from adaat_hf.processing.body_keypoints import ARM_AND_LEG_BONES, BODY18_NAMES, HIPS, SHOULDERS
from adaat_hf.processing.body_tracking import BodyTrack, track_body
from adaat_hf.processing.images import save_image
from adaat_hf.processing.pose_files import BodyPose


# Colours of walls.
WALLS = 130, 230
# Bodies of which a pair is chosen, by the lengths of these limbs.
CANDIDATES = 40
JUDGED = [number for number, name in enumerate(LIMB_BONES) if "thigh" not in name]
# Pairs in whose photographs the detector misses a limb's end by more than this many trunk lengths are left out.
MISSED = 0.25
LIMB_POINTS = [end for _, end in ARM_AND_LEG_BONES]
# The limbs of `LIMB_BONES` among the 18 key points.
LIMB_ENDS = [[BODY18_NAMES.index(SMPL24_NAMES[joint]) for joint in bone] for bone in LIMB_BONES.values()]


@dataclass(frozen=True)
class Film:
    """Frames (T, H, W, 3), uint8, of somebody dressed, the same in rings, and the true key points (T, 18, 2) in their pixels."""

    frames: np.ndarray
    ringed: np.ndarray
    points: np.ndarray


@dataclass(frozen=True)
class Actor:
    """
    A rendered person who can do any motion.

    Args:
        maker ([`BodyMaker`]): Poses and renders it.
        build (`dict[str, torch.Tensor]`): Of one body of anny.
        colours, rings (`np.ndarray` of shape (V, 3)): Of skin and clothes, and in rings ([`ring_limbs`]).
    """

    maker: BodyMaker
    build: dict[str, torch.Tensor]
    colours: np.ndarray
    rings: np.ndarray

    @classmethod
    def unlike_pair(cls, maker: BodyMaker) -> tuple["Actor", "Actor"]:
        """Those two of some people of any age and build whose limbs differ most, in random order."""
        builds = maker.bodies.sample(CANDIDATES, maker.rng)
        joints = maker.bodies.rest(builds)
        lengths = limb_lengths(torch.from_numpy(joints))[:, JUDGED]
        unlike = (lengths[:, None] / lengths - 1).abs().mean(-1)
        # Shares are largest of the longer limbs, so that the first one would always be the one who has these.
        first, second = maker.rng.permutation(divmod(int(unlike.argmax()), len(unlike))).tolist()
        return cls._dressed(maker, builds, joints, first), cls._dressed(maker, builds, joints, second)

    @classmethod
    def _dressed(cls, maker: BodyMaker, builds: dict[str, torch.Tensor], joints: np.ndarray, number: int) -> "Actor":
        build = {name: values[[number]] for name, values in builds.items()}
        rest = maker.rest(build)[0]
        colours = dress(maker.bones, rest, maker.rng)
        return cls(maker, build, colours, ring_limbs(maker.bones, rest, joints[number], colours))

    def film(self, pose: torch.Tensor) -> Film:
        """Joint rotations (T, 24, 3), on one floor."""
        builds = {name: value.expand(len(pose)) for name, value in self.build.items()}
        vertices, points = self.maker.pose(builds, rotation_matrix(pose).double().numpy())
        lowest = vertices[..., 1].min(1, keepdims=True)
        vertices[..., 1] -= lowest
        points[..., 1] -= lowest
        rng = self.maker.rng
        shot = replace(Shot.random(vertices, rng), back=np.full((SIDE, SIDE, 3), rng.uniform(*WALLS, 3)))
        posed = list(zip(vertices, points, strict=True))
        dressed, ringed = (
            [render(body, self.maker.faces, colours, places, shot, self.maker.arms)[:2] for body, places in posed]
            for colours in (self.colours, self.rings)
        )
        pictures = (np.stack([picture for picture, _ in film]) for film in (dressed, ringed))
        return Film(*pictures, np.stack([labels[:, :2] for _, labels in dressed]))


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
    """
    Of one pair, by name.

    Args:
        asked, painted (`dict[str, np.ndarray]`): Lengths of limbs (8,) as shares of the true ones, by the key points that the painter
            is given and in what it paints.
        films (`dict[str, np.ndarray]`): Each (T, H, W, 3).
    """

    asked: dict[str, np.ndarray]
    painted: dict[str, np.ndarray]
    films: dict[str, np.ndarray]

    def errors(self) -> dict[str, float]:
        """Mean errors of the limbs."""
        return {
            f"{name}, {how}": float(np.abs(changes - 1).mean())
            for how, found in (("asked", self.asked), ("painted", self.painted))
            for name, changes in found.items()
        }


def asked_changes(
    points: np.ndarray, photographed: np.ndarray, true: np.ndarray, true_photographed: np.ndarray
) -> np.ndarray:
    """How long limbs (8,) get that are moved from a photograph to other key points, in units of the trunk and as a share of what is
    true: medians of the frames in which they are not foreshortened.

    Args:
        points, true (`np.ndarray` of shape (T, 18, 2)): Key points that are given, and where the joints are to be.
        photographed, true_photographed (`np.ndarray` of shape (18, 2)): Key points of the photograph that are given, and where the
            joints are in it.
    """
    wanted = _limbs_in_trunks(true)
    longer = _limbs_in_trunks(points) / _limbs_in_trunks(photographed[None])
    changes = longer / (wanted / _limbs_in_trunks(true_photographed[None]))
    return np.array([np.median(changes[seen, limb]) for limb, seen in enumerate(seen_long(wanted).T)])


def _limbs_in_trunks(points: np.ndarray) -> np.ndarray:
    """Lengths (T, 8) of limbs in a picture in units of the trunk's there, of key points (T, 18, 2)."""
    start, end = points[:, [start for start, _ in LIMB_ENDS]], points[:, [end for _, end in LIMB_ENDS]]
    return np.linalg.norm(end - start, axis=-1) / _trunks(points)[:, None]


def _trunks(points: np.ndarray) -> np.ndarray:
    """Lengths (T,) of trunks, of key points (T, 18, 2)."""
    return np.linalg.norm(points[:, SHOULDERS].mean(1) - points[:, HIPS].mean(1), axis=-1)


def photographed_poses(model: AdaATBodyModel, count: int, rng: np.random.Generator) -> torch.Tensor:
    """Joint rotations (count, 24, 3): at ease, then moderately bent and turned."""
    return torch.cat([usual_pose()[None], random_photographs(model, count, rng).pose[1:]])


def transfer(
    pipe: PoseTransferPipeline, detector: Any, maker: BodyMaker, motion: Motion, poses: torch.Tensor, painted: bool
) -> Outcome | None:
    """One pair, the source photographed in some poses (N, 24, 3); `None` if the detector fails, or a limb is seen in no frame."""
    source, driver = Actor.unlike_pair(maker)
    pictures = source.film(poses)
    driving, truth = driver.film(motion.pose), source.film(motion.pose)
    stands, moves, true = (track_body(film.frames, detector) for film in (pictures, driving, truth))
    if not (_found_right(stands, pictures) and moves.found.any() and true.found.any()):
        return None
    size = pictures.frames.shape[1:3]
    stood = [BodyPose(*found, size) for found in zip(stands.points, stands.visibility, strict=True)]
    people = [SourcePerson(*person) for person in zip(pictures.ringed, stood, strict=True)]
    direct, as_found = (replace(track, points=drive_directly(track, stood[0])) for track in (moves, true))
    given = {
        "ours": retargeted(BodyFitter(pipe.body_model), people, moves, motion.fps),
        "direct": (people, direct),
        "true key points": (people, as_found),
    }
    asked = {}
    for name, (shown, track) in given.items():
        points, joints = track.points[track.found], truth.points[track.found]
        asked[name] = asked_changes(points, shown[0].pose.points, joints, pictures.points[0])
    if not painted:
        return Outcome(asked, {}, {})
    films = {name: paint(pipe, shown, track) for name, (shown, track) in given.items()}
    limbs = {name: limb_changes(film, truth.ringed) for name, film in films.items()}
    films = {"driver": driving.frames, "truth": truth.ringed, **films}
    return Outcome(asked, limbs, films) if np.isfinite(list(limbs.values())).all() else None


def retargeted(
    fitter: BodyFitter, people: list[SourcePerson], driver: BodyTrack, fps: float
) -> tuple[list[SourcePerson], BodyTrack]:
    """Photographs and key points of the person in the driver's motion, as the pipeline gives them to the painter."""
    people, bodies = fit_people(fitter, people)
    moved = retarget_body(fitter.model, bodies.frames(slice(0, 1)), fit_track(fitter, driver, fps))
    points, seen = moved.project(fitter.model), visible_points(fitter.model, moved)
    return people, BodyTrack(points.numpy(), seen.numpy(), driver.size)


def _found_right(track: BodyTrack, film: Film) -> bool:
    """Whether the detector found the limbs of everybody in a film."""
    apart = np.linalg.norm(track.points - film.points, axis=-1)[:, LIMB_POINTS]
    near = apart < MISSED * _trunks(film.points)[:, None]
    return bool((track.visibility[:, LIMB_POINTS] > 0).all() and near.all())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="folder of mp4 clips")
    parser.add_argument("--people", type=Path, required=True, help="YAML: subjects, and who is held out")
    parser.add_argument("--everybody", action="store_true", help="motions of all people, not only of those held out")
    parser.add_argument("--model", default="bundled/person", help="pipeline to judge (bundled/person)")
    parser.add_argument("--detector", default="bundled/person", help="'mediapipe:FILE' or a detector's folder")
    parser.add_argument("--pairs", type=int, default=24, help="pairs of bodies (24)")
    parser.add_argument("--sources", type=int, default=1, metavar="N", help="photographs of every source (1)")
    parser.add_argument("--seed", type=int, default=2, help="0 is that of the training data (2)")
    parser.add_argument(
        "--sheets", type=Path, help="folder for contact sheets: driver, truth, ours, direct, true key points"
    )
    parser.add_argument("--key-points-only", action="store_true", help="paint nothing")
    parser.add_argument("--json", type=Path, help="file for the scores")
    args = parser.parse_args()
    pipe, detector, files = open_clips(args, args.everybody)
    maker = BodyMaker(np.random.default_rng(args.seed))
    motions = read_motions(files, detector, BodyFitter(pipe.body_model))
    outcomes, left_out = [], 0
    for number in tqdm(range(args.pairs), desc=f"moving bodies on {pipe.device}", unit="pair"):
        # The same bodies and motions, however many photographs there are.
        poses = photographed_poses(pipe.body_model, args.sources, np.random.default_rng(number))
        outcome = transfer(
            pipe, detector, maker, motions[number % len(motions)], poses, painted=not args.key_points_only
        )
        if outcome is None:
            left_out += 1
            continue
        outcomes.append(replace(outcome, films={}))
        if args.sheets and outcome.films:
            args.sheets.mkdir(parents=True, exist_ok=True)
            strips = [contact_sheet(film, len(film), 8, 1, 160) for film in outcome.films.values()]
            save_image(np.vstack(strips), args.sheets / f"{number:02d}.png")
    if not outcomes:
        raise SystemExit(f"The detector {args.detector!r} failed in all of the {args.pairs} pairs.")
    rows = [outcome.errors() for outcome in outcomes]
    scores = {f"limb error, {name}": float(np.mean([row[name] for row in rows])) for name in rows[0]}
    scores |= {"pairs": len(rows), "left out": left_out}
    print("\n".join(f"{name}: {value:.4g}" for name, value in scores.items()))
    if args.json:
        pairs = [
            {
                how: {name: changes.round(4).tolist() for name, changes in getattr(outcome, how).items()}
                for how in ("asked", "painted")
            }
            for outcome in outcomes
        ]
        args.json.write_text(json.dumps({**scores, "limbs": list(LIMB_BONES), "by pair": pairs}, indent=2) + "\n")


if __name__ == "__main__":
    main()
