"""Run a benchmark's parts one after the other."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import torch

from ..devices import best_device
from ..models.configuration_adaat import PRESETS, AdaATConfig
from ..models.modeling_adaat import AdaATGenerator
from ..pipelines.base import AdaATPipeline
from ..pipelines.face_animation import FaceAnimationPipeline
from ..pipelines.pipeline_face_reenactment import FaceReenactmentPipeline
from ..pipelines.pipeline_pose_transfer import PoseTransferPipeline
from ..video import VIDEO_SUFFIXES
from .files import BenchmarkPipeline, Clip, file_rows, length_rows, peer_row, sample_clip
from .network import REFERENCE, network_rows, operator_rows
from .report import Report, Row, about_machine
from .scaling import scaling_rows


PARTS = ("operator", "network", "scaling", "pipeline")
PRESET_SIDE = 256


@dataclass(frozen=True)
class BenchmarkOptions:
    """
    What to measure.

    Args:
        models (`tuple[str, ...]`): Pipelines for faces or pose transfer (Hub id, folder, `bundled/face`), or names of presets,
            which have random weights and no pipeline.
        parts (`tuple[str, ...]`): Of `PARTS`.
        device (`str`, *optional*): Where; by default the best one there is.
        backend (`str`): What paints in the pipelines.
        batch (`int`): Frames at a time where the network is compared.
        batches, sizes (`tuple[int, ...]`): Batches, and picture heights, of the scaling.
        frames (`int`): Frames of the pipelines' drivers.
        lengths (`tuple[int, ...]`): Lengths of drivers, in frames, at which time and memory are compared.
        repeats (`int`): Runs, of which the fastest counts.
        compiled (`bool`): Measure `torch.compile` too.
        clip ([`Clip`], *optional*): Photograph and driver; by default bundled ones.
        peers (`dict[str, str]`): Other programs; see [`peer_row`].
    """

    models: tuple[str, ...] = ("paper-face", "bundled/face")
    parts: tuple[str, ...] = PARTS
    device: str | None = None
    backend: str = "auto"
    batch: int = 1
    batches: tuple[int, ...] = (1, 2, 4, 8)
    sizes: tuple[int, ...] = (128, 256, 512)
    frames: int = 100
    lengths: tuple[int, ...] = ()
    repeats: int = 3
    compiled: bool = False
    clip: Clip | None = None
    peers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = set(self.parts) - set(PARTS)
        if unknown:
            raise ValueError(f"There is no part {sorted(unknown)[0]!r}, expected some of {PARTS}.")
        for name in ("batch", "frames", "repeats"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected at least 1.")
        for name in ("batches", "sizes", "lengths"):
            if min(getattr(self, name), default=1) < 1:
                raise ValueError(f"{name} has {min(getattr(self, name))}, expected at least 1.")
        if self.clip is not None:
            for path in (self.clip.source, self.clip.driving):
                if not path.is_file():
                    raise FileNotFoundError(f"{str(path)!r} does not exist.")
            if self.clip.driving.suffix.lower() not in VIDEO_SUFFIXES:
                raise ValueError(
                    f"The driver is {str(self.clip.driving)!r}, expected a video ({', '.join(VIDEO_SUFFIXES)})."
                )


def run_benchmark(options: BenchmarkOptions, progress: Callable[[Row], object] = lambda row: None) -> Report:
    """Measure.

    Args:
        options ([`BenchmarkOptions`]): What.
        progress (`Callable`, *optional*): Called with every row as soon as it is there.

    Raises:
        ValueError: if a model is for neither faces nor pose transfer, or a peer fails.
    """
    device = best_device(options.device)
    models = {name: _open(name, device, options.backend) for name in options.models}
    report = Report(about_machine(device))
    for row in _rows(options, models, device):
        report.rows.append(row)
        progress(row)
    return report


def _rows(
    options: BenchmarkOptions, models: dict[str, BenchmarkPipeline | AdaATGenerator], device: torch.device
) -> Iterator[Row]:
    if "operator" in options.parts:
        yield from operator_rows(PRESET_SIDE, device, options.repeats)
    for name, model in models.items():
        height, width = PRESET_SIDE, PRESET_SIDE
        if not isinstance(model, AdaATGenerator):
            height, width = model.image_processor.size["height"], model.image_processor.size["width"]
        generator = model if isinstance(model, AdaATGenerator) else model.generator
        reference = None
        if "network" in options.parts:
            for row in network_rows(
                name, generator, height, width, options.batch, device, options.repeats, options.compiled
            ):
                reference = row.seconds if row.what == REFERENCE else reference
                yield row
        if "scaling" in options.parts:
            yield from scaling_rows(
                name, generator, height, width, options.batches, options.sizes, device, options.repeats
            )
        if "pipeline" in options.parts and not isinstance(model, AdaATGenerator):
            yield from _pipeline_rows(name, model, options, reference)


def _pipeline_rows(
    name: str, pipe: BenchmarkPipeline, options: BenchmarkOptions, reference: float | None
) -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="adaat-benchmark-") as temporary:
        folder = Path(temporary)
        clip = options.clip or sample_clip(pipe, folder, options.frames)
        yield from file_rows(name, pipe, clip, options.frames, folder, options.repeats, reference)
        yield from length_rows(name, pipe, options.lengths, clip, folder)
        for peer, command in options.peers.items():
            yield peer_row(peer, command, clip, folder, reference)


def _open(name: str, device: torch.device, backend: str) -> BenchmarkPipeline | AdaATGenerator:
    if name in PRESETS:
        return AdaATGenerator(AdaATConfig.from_preset(name)).eval()
    pipe = AdaATPipeline.from_pretrained(name, backend=backend)
    if not isinstance(pipe, BenchmarkPipeline):
        kind = FaceReenactmentPipeline if isinstance(pipe, FaceAnimationPipeline) else PoseTransferPipeline
        pipe = kind.from_pretrained(name, backend=backend)
    pipe.set_progress_bar_config(disable=True)
    return cast(BenchmarkPipeline, pipe.to(device))


__all__ = ["PARTS", "BenchmarkOptions", "run_benchmark"]
