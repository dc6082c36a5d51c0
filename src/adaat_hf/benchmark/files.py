"""The whole way, from a driving clip to a clip, beside the network alone, and beside other programs."""

import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from ..bundled import FIGURE_SAMPLE, save_portrait
from ..control.demo_body_motion import demo_body_motion
from ..control.demo_motion import demo_motion
from ..inference.painter import describe
from ..pipelines.pipeline_face_reenactment import FaceReenactmentPipeline
from ..pipelines.pipeline_pose_transfer import PoseTransferPipeline
from ..video import VideoReader, write_video
from .measuring import measure, peak_memory
from .network import NetworkInputs
from .report import Row


BenchmarkPipeline = FaceReenactmentPipeline | PoseTransferPipeline
# Frames that are painted to become a driver when none is given; a longer driver repeats them.
SAMPLE_FRAMES = 50


@dataclass(frozen=True)
class Clip:
    """What is animated, and by what: files of a photograph and of a driving video."""

    source: Path
    driving: Path


def sample_clip(pipe: BenchmarkPipeline, folder: Path, frames: int) -> Clip:
    """A bundled photograph, and a driver of that many frames: the same photograph, moved by numbers alone.

    Raises:
        ImportError: if scikit-image, which carries the portrait, is missing.
    """
    seconds = min(frames, SAMPLE_FRAMES) / 25
    painted, driving = folder / "painted.mp4", folder / "driver.mp4"
    if isinstance(pipe, PoseTransferPipeline):
        source = FIGURE_SAMPLE
        pipe(source, demo_body_motion(pipe.body_model, seconds), output=painted, mark=False)
    else:
        source = save_portrait(folder / "portrait.png")
        pipe(source, demo_motion(pipe.face_model, seconds), output=painted, mark=False)
    write_video(islice(_endless(painted), frames), driving, 25)
    return Clip(source, driving)


def file_rows(
    name: str,
    pipe: BenchmarkPipeline,
    clip: Clip,
    frames: int,
    folder: Path,
    repeats: int,
    network_reference: float | None,
) -> Iterator[Row]:
    """The network alone, frames in memory to crops in memory, and file to file.

    Args:
        name (`str`): Of the model.
        pipe ([`FaceReenactmentPipeline`] or [`PoseTransferPipeline`]): The pipeline.
        clip ([`Clip`]): What is animated.
        frames (`int`): Frames of its driver that are used.
        folder (`Path`): For the videos that are written.
        repeats (`int`): Runs, of which the fastest counts.
        network_reference (`float`, *optional*): Seconds that the network takes for a frame in the released way.
    """
    device = pipe._execution_device
    driver = list(islice(VideoReader(clip.driving), frames))
    short = folder / "short.mp4"
    write_video(driver, short, 25)
    painting = _network_alone(pipe, len(driver))
    runs = {
        "network": painting,
        "frames to crops, in memory": lambda: pipe(clip.source, driver, fps=Fraction(25), crop_only=True),
        "file to file": lambda: pipe(clip.source, short, output=folder / "out.mp4"),
    }
    costs = measure(runs, device, repeats)
    size = pipe.image_processor.size
    for what, cost in costs.items():
        seconds = cost.seconds / len(driver)
        yield Row(
            f"pipeline {name}", what, f"{size['width']}x{size['height']}", seconds, None, len(driver),
            describe(pipe.painter()), None if network_reference is None else network_reference / seconds,
            costs["network"].seconds / cost.seconds, cost.peak_bytes,
        )  # fmt: skip


def _network_alone(pipe: BenchmarkPipeline, frames: int) -> Callable[[], None]:
    """What paints that many frames of the pipeline's size, in the pipeline's batches."""
    size = pipe.image_processor.size
    inputs = NetworkInputs.random(
        pipe.generator.config.num_keypoints, size["height"], size["width"], frames, torch.device("cpu")
    )

    def run() -> None:
        for _ in pipe.paint(inputs.source[0], inputs.here[0], inputs.there):
            pass

    return run


def length_rows(name: str, pipe: BenchmarkPipeline, lengths: Sequence[int], clip: Clip, folder: Path) -> Iterator[Row]:
    """File to file for drivers of several lengths, in frames, once each: time per frame and memory should not change."""
    size = pipe.image_processor.size
    pipe.set_progress_bar_config(leave=False)
    driver = folder / "long.mp4"
    for frames in lengths:
        write_video(islice(_endless(clip.driving), frames), driver, 25)
        started = time.perf_counter()
        peak = peak_memory(lambda: pipe(clip.source, driver, output=folder / "out.mp4"), pipe._execution_device)
        took = time.perf_counter() - started
        yield Row(
            f"length {name}", "file to file", f"{size['width']}x{size['height']}", took / frames, None, frames,
            describe(pipe.painter()), peak_bytes=peak,
        )  # fmt: skip


def _endless(video: Path) -> Iterator[np.ndarray]:
    while True:
        yield from VideoReader(video)


def peer_row(peer: str, command: str, clip: Clip, folder: Path, reference: float | None) -> Row:
    """Another program's way from file to file, its start included.

    Args:
        peer (`str`): Its name.
        command (`str`): How to run it, with `{source}`, `{driving}` and `{output}` for the files.
        clip ([`Clip`]): What is animated.
        folder (`Path`): Where its output goes.
        reference (`float`, *optional*): See [`file_rows`].

    Raises:
        ValueError: if the command fails or writes no video.
    """
    output = folder / "peer.mp4"
    files = {"source": str(clip.source), "driving": str(clip.driving), "output": str(output)}
    words = [word.format(**files) for word in shlex.split(command)]
    started = time.perf_counter()
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ValueError(f"The peer {peer!r} cannot be run: {error}") from error
    took = time.perf_counter() - started
    if done.returncode or not output.is_file():
        last = (done.stderr.strip().splitlines() or ["it wrote no {output}"])[-1]
        raise ValueError(f"The peer {peer!r} failed with status {done.returncode}: {last}")
    frames = sum(1 for _ in VideoReader(output))
    ratio = None if reference is None else reference * frames / took
    return Row(f"peer {peer}", "file to file, with its start", "", took / frames, None, frames, "", ratio)


__all__ = ["BenchmarkPipeline", "Clip", "file_rows", "length_rows", "peer_row", "sample_clip"]
