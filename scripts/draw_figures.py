# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf[evaluate,demo]"]
# ///
"""Draw the paper's figures 5 to 9 again, of our networks, and statistics of the learned transformations.

    python scripts/draw_figures.py --output docs/images --ablation "paper (full)=runs/presets_64/paper-0/generator" \\
        --ablation "+ dense flow=runs/presets_64/dense_flow-0/generator" --clips faces/val

The pictures are of NASA's public-domain portrait of Eileen Collins and of a rendered person, moved by numbers and by a synthetic
voice, so that they may be published. The statistics are taken on the clips.
"""

import argparse
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch
from skimage.data import astronaut
from transformers.utils import logging

from adaat_hf import (
    FaceFitter,
    FaceReenactmentPipeline,
    PoseTransferPipeline,
    TalkingFacePipeline,
    VideoReader,
    demo_motion,
    retarget,
)
from adaat_hf.bundled import FIGURE_SAMPLE, VOICE_SAMPLE
from adaat_hf.control.body_placement import place_pose
from adaat_hf.control.demo_body_motion import demo_body_motion
from adaat_hf.control.retargeting import separate_lids
from adaat_hf.evaluation.drawing import picture_rows, transformation_histograms
from adaat_hf.evaluation.generators import open_generator
from adaat_hf.evaluation.tasks.reconstruction import as_frames, reduced, warp_source
from adaat_hf.evaluation.transformations import read_transformations
from adaat_hf.pipelines.persons import read_source_person
from adaat_hf.pipelines.sources import read_source
from adaat_hf.processing.backends import open_body_detector, open_landmarker
from adaat_hf.processing.drawing import draw_pose
from adaat_hf.processing.face_tracking import track_face
from adaat_hf.processing.image_processing_adaat import AdaATImageProcessor
from adaat_hf.processing.images import load_image, save_image
from adaat_hf.processing.pose_files import BodyPose
from adaat_hf.video import find_videos


CPU = torch.device("cpu")
# Frames of the bodies' demo motion at 5 frames/s.
BODY_FRAMES = (2, 5, 8, 11, 14, 17)
# Seconds of the demo motion: turned, smiling, speaking, blinking, turned the other way.
MOMENTS = (0.95, 1.6, 2.67, 3.1, 3.65, 4.3)
MAPS = 6
# Pairs of frames of every clip that the statistics are taken on.
PAIRS_PER_CLIP = 2


def face_poses(side: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The portrait's crop (1, 3, S, S), its key points (1, 96, 2), and those of the demo motion's moments (T, 96, 2)."""
    pipe = FaceReenactmentPipeline.from_pretrained("bundled/face")
    model = pipe.face_model
    (face,) = read_source(astronaut()[:320, 66:386], pipe.own_landmarker(), FaceFitter(model), side).faces
    motion = demo_motion(model, fps=20).coefficients
    moved = retarget(face.coefficients, motion).frames(torch.tensor([round(20 * moment) for moment in MOMENTS]))
    points = separate_lids(moved.project(model))
    here, there = (
        AdaATImageProcessor.normalize_keypoints(value, side, side)
        for value in (face.coefficients.project(model), points)
    )
    return torch.from_numpy(face.crop).permute(2, 0, 1)[None].float() / 255, here, there


@torch.no_grad()
def paint(folder: str, source: torch.Tensor, here: torch.Tensor, there: torch.Tensor) -> list[np.ndarray]:
    """What a network paints of the portrait in every pose."""
    model = open_generator(folder, CPU)
    count, number = model.config.num_keypoints, len(there)
    pictures = model(
        source.expand(number, -1, -1, -1), here[:, :count].expand(number, -1, -1), there[:, :count]
    ).images
    return list(as_frames(pictures, folder))


def warp(source: torch.Tensor, here: torch.Tensor, there: torch.Tensor) -> list[np.ndarray]:
    """The portrait bent by its key points, without a network."""
    count = len(there)
    bent = warp_source(source.expand(count, -1, -1, -1), here.expand(count, -1, -1), there)
    return list(as_frames(bent, "warp"))


@torch.no_grad()
def draw_features(folder: str) -> np.ndarray:
    """Figure 6: maps before and after the first operator, those that it changes most."""
    source, here, there = face_poses(256)
    model = open_generator(folder, CPU)
    count, rows = model.config.num_keypoints, []
    crop = as_frames(source, "source")[0]
    for number in (0, 5):
        result = model(source, here[:, :count], there[number : number + 1, :count], output_features=True)
        before, after = (maps[0].numpy() for maps in result.features)
        change = ((after - before) ** 2).mean((1, 2)) / np.maximum(before.var((1, 2)), 1e-9)
        chosen = np.argsort(-change)[:: max(1, len(change) // (3 * MAPS))][:MAPS]
        rows += [
            ("before", [crop, *before[chosen]]),
            ("after", [as_frames(result.images, "painted")[0], *after[chosen]]),
        ]
    return picture_rows(rows, ["source / painted", *(f"map {number + 1}" for number in range(MAPS))])


def draw_results() -> np.ndarray:
    """Figure 5: the four tasks by the bundled networks."""
    portrait, figure = astronaut()[:320, 66:386], load_image(FIGURE_SAMPLE)
    rows = []
    talker = TalkingFacePipeline.from_pretrained("bundled/face")
    rows.append(
        (
            "talking face",
            spread(talker(portrait, VOICE_SAMPLE, crop_only=True, seed=1).arrays(), (20, 34, 47, 61, 80, 101)),
        )
    )
    mover = FaceReenactmentPipeline.from_pretrained("bundled/face")
    template = demo_motion(mover.face_model, fps=20)
    numbers = [round(20 * moment) for moment in MOMENTS]
    rows.append(("reenactment", spread(mover(portrait, template, crop_only=True).arrays(), numbers)))
    dancer = PoseTransferPipeline.from_pretrained("bundled/person")
    dance = demo_body_motion(dancer.body_model, seconds=4, fps=5)
    frames = spread(dancer(figure, dance).arrays(), BODY_FRAMES)
    missing = (frames[0].shape[0] - frames[0].shape[1]) // 2
    white = ((0, 0), (missing, missing), (0, 0))
    rows.append(("pose transfer", [np.pad(frame, white, constant_values=255) for frame in frames]))
    return picture_rows(rows)


def spread(frames, numbers) -> list[np.ndarray]:
    """The frames with these numbers."""
    wanted = set(numbers)
    return [frame for number, frame in enumerate(islice(frames, max(numbers) + 1)) if number in wanted]


def draw_faces(folder: str) -> np.ndarray:
    """Figure 7: the source, a warp without a network, and a network, in the same poses."""
    source, here, there = face_poses(256)
    crop = as_frames(source, "source")[0]
    rows = [
        ("copy source", [crop] * len(there)),
        ("warp, no network", warp(source, here, there)),
        ("bundled/face", paint(folder, source, here, there)),
    ]
    return picture_rows(rows, [f"{moment} s" for moment in MOMENTS])


@torch.no_grad()
def draw_persons(folder: str) -> np.ndarray:
    """Figure 8: a person in other poses, by their limbs alone and by a network."""
    figure = load_image(FIGURE_SAMPLE)
    cut = (figure.shape[1] - round(figure.shape[0] * 176 / 256)) // 2
    picture = cv2.resize(figure[:, cut : figure.shape[1] - cut], (176, 256), interpolation=cv2.INTER_AREA)
    pipe = PoseTransferPipeline.from_pretrained(folder)
    person = read_source_person(picture, open_body_detector(folder))
    motion = demo_body_motion(pipe.body_model, seconds=4, fps=5).coefficients.project(pipe.body_model).numpy()
    everywhere = np.ones(18, np.float32)
    poses = np.stack([place_pose(BodyPose(motion[number], everywhere), person.pose) for number in BODY_FRAMES])
    source = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    here, there = (
        AdaATImageProcessor.normalize_keypoints(torch.from_numpy(p).float(), 256, 176)
        for p in (person.pose.points[None], poses)
    )
    count, seen = len(poses), torch.from_numpy(person.pose.visibility)[None].float()
    result = pipe.generator(
        source.expand(count, -1, -1, -1),
        here.expand(count, -1, -1),
        there,
        seen.expand(count, -1),
        torch.ones(count, 18),
    )
    blank = np.full_like(picture, 40)
    drawn = [draw_pose(points, everywhere, blank) for points in poses]
    rows = [
        ("pose", [draw_pose(person.pose.points, person.pose.visibility, picture), *drawn]),
        ("limbs, no network", [picture, *as_frames(result.warped, "limbs")]),
        ("bundled/person", [picture, *as_frames(result.images, folder)]),
    ]
    return picture_rows(rows, ["source"])


def draw_ablation(networks: dict[str, str], side: int) -> np.ndarray:
    """Figure 9: the conditions of the ablation, at the size that they were trained at."""
    source, here, there = face_poses(side)
    crop = as_frames(source, "source")[0]
    rows = [(name, [crop, *paint(folder, source, here, there)]) for name, folder in networks.items()]
    rows.insert(0, ("warp, no network", [crop, *warp(source, here, there)]))
    return picture_rows(rows, ["source", *(f"{moment} s" for moment in MOMENTS)])


def clip_pairs(folder: Path, side: int, landmarker):
    """Sources and key points of frames of held-out clips."""
    for clip in find_videos(folder):
        frames = [reduced(frame, side) for frame in VideoReader(clip)]
        chosen = np.linspace(0, len(frames) - 1, PAIRS_PER_CLIP + 1).astype(int)
        track = track_face([frames[number] for number in chosen], landmarker)
        points = AdaATImageProcessor.normalize_keypoints(torch.from_numpy(track.points), side, side)
        source = torch.from_numpy(frames[0]).permute(2, 0, 1)[None].float() / 255
        for number in range(1, len(chosen)):
            if track.found[0] and track.found[number]:
                yield source, points[:1], points[number : number + 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--face", default="bundled/face", help="network of figures 6 and 7 (bundled/face)")
    parser.add_argument(
        "--ablation", action="append", default=[], metavar="NAME=FOLDER", help="networks of figure 9, in order"
    )
    parser.add_argument("--side", type=int, default=64, help="side of the pictures of figure 9 (64)")
    parser.add_argument("--clips", type=Path, help="folder of clips for the statistics of the transformations")
    parser.add_argument(
        "--statistics", action="append", default=[], metavar="NAME=FOLDER:SIDE", help="networks for the statistics"
    )
    parser.add_argument("--landmarker", default="bundled/face", help="finds the clips' landmarks")
    parser.add_argument("--only", nargs="*", help="names of the figures to draw (all)")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    logging.disable_progress_bar()
    networks = dict(item.partition("=")[::2] for item in args.ablation)
    figures = {
        "figure5_results": draw_results,
        "figure6_features": lambda: draw_features(args.face),
        "figure7_faces": lambda: draw_faces(args.face),
        "figure8_persons": lambda: draw_persons("bundled/person"),
        "figure9_ablation": (lambda: draw_ablation(networks, args.side)) if networks else None,
    }
    for item in args.statistics if args.clips else ():
        name, _, where = item.partition("=")
        folder, _, side = where.rpartition(":")
        figures[f"transformations_{name}"] = lambda n=name, f=folder, s=int(side): draw_statistics(n, f, s, args)
    for name, draw in figures.items():
        if draw is not None and (not args.only or name in args.only):
            print(save_image(draw(), args.output / f"{name}.jpg"))


def draw_statistics(name: str, folder: str, side: int, args: argparse.Namespace) -> np.ndarray:
    """Histograms of both parameters and regions; the summary is printed."""
    model = open_generator(folder, CPU)
    pairs = clip_pairs(args.clips, side, open_landmarker(args.landmarker))
    found = read_transformations(model, pairs)
    for key, value in found.summary().items():
        print(f"{name}: {key} {value:.3f}")
    channels = found.scale.shape[1]
    return transformation_histograms(
        found, f"{name}: first operator, {channels} channels, {len(found.scale)} pairs of frames"
    )


if __name__ == "__main__":
    main()
