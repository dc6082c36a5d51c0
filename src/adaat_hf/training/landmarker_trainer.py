"""Train a landmarker of faces or bodies: a detector for whole pictures and a network for the landmarks of crops."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from transformers import get_scheduler

from ..models.configuration_landmarker import AdaATLandmarkerConfig
from ..models.keypoint_maps import gaussian_heatmaps
from ..models.modeling_landmarker import AdaATLandmarker, DetectorOutput, LandmarkerOutput, cell_positions
from ..processing.body_keypoints import BODY18
from ..processing.keypoints import EYES, FACE96, IRISES, LOWER_LIDS, MOUTH, UPPER_LIDS
from .averaging import averaged_model
from .body_parts import parts_loss
from .body_scenes import BodyCropDataset, BodyScene
from .checkpoints import replace_folder
from .data import RangeSampler, select_clips
from .landmark_crops import LandmarkDataset
from .landmarker_growth import load_for_training
from .loop import run_steps
from .packs import PackedClip, read_packs
from .part_crops import PartCropDataset
from .scenes import Scene, SceneDataset


# How much the losses count.
WEIGHTS = {
    "points": 10.0, "heatmaps": 1.0, "openings": 5.0, "presence": 0.3, "visibility": 0.3, "parts": 3.0,
    "scores": 1.0, "offsets": 1.0, "sizes": 1.0,
}  # fmt: skip


@dataclass(kw_only=True)
class LandmarkerArguments:
    """
    Settings of a landmarker's training.

    Args:
        output_dir (`str`), train_data (`list[str]`), exclude, keep, sampling: see [`TrainingArguments`]. Bodies need no
            `train_data`; there, `exclude` holds beginnings of file names.
        scenes (`list[str]`): Folders with whole photographs and videos.
        labelled (`list[str]`): Folders with pictures of bodies whose key points are known (see [`load_labelled_bodies`]).
        exclude_held_out (`str`, *optional*): A file of people (see [`People`]) whose held-out photographs are left out.
        frames_per_video (`int`): Frames of every video that are used as pictures.
        model (`dict`): Fields of [`AdaATLandmarkerConfig`]; its layout says whether faces or bodies are learned.
        init_from (`str`, *optional*): Folder of a landmarker to start from (see [`load_for_training`]).
        batch_size (`int`): Crops per step for the landmarks; 0 leaves their network as it is.
        scene_batch_size (`int`): Whole pictures per step; 0 leaves the detector as it is.
        parts_batch_size (`int`): Crops per step for the parts; 0 leaves their network as it is.
        max_steps, learning_rate, warmup_steps, ema_decay, seed, num_workers
        mixed_precision (`str`): `"no"`, `"bf16"` or `"fp16"`.
        time_limit (`float`, *optional*): Minutes after which the run saves a checkpoint and ends.
        checkpoint_steps (`int`): Steps between checkpoints.
    """

    output_dir: str
    scenes: list[str]
    train_data: list[str] = field(default_factory=list)
    labelled: list[str] = field(default_factory=list)
    exclude_held_out: str | None = None
    exclude: list[str] = field(default_factory=list)
    keep: dict[str, Any] = field(default_factory=dict)
    sampling: dict[str, Any] = field(default_factory=dict)
    frames_per_video: int = 3
    init_from: str | None = None
    model: dict[str, Any] = field(default_factory=dict)
    batch_size: int = 64
    scene_batch_size: int = 12
    parts_batch_size: int = 0
    max_steps: int = 20_000
    learning_rate: float = 1.0e-3
    warmup_steps: int = 200
    ema_decay: float = 0.998
    seed: int = 0
    num_workers: int = 2
    mixed_precision: str = "no"
    time_limit: float | None = None
    checkpoint_steps: int = 1000


def landmark_loss(
    found: LandmarkerOutput, points: Tensor, presence: Tensor, visibility: Tensor | None = None
) -> dict[str, Tensor]:
    """Losses of the landmark network on a batch.

    Args:
        found (`LandmarkerOutput`): Predictions.
        points (`Tensor` of shape (B, K, 2)): Truth in [-1, 1].
        presence (`Tensor` of shape (B,)): 1 for crops with a face or body.
        visibility (`Tensor` of shape (B, K), *optional*): 0 for landmarks whose place is not known.

    Returns:
        `dict[str, Tensor]`: `points` (mean distance in units of half the face or body), `heatmaps` (cross entropy against
        a Gaussian around the truth; it teaches the right cells long before the distances do), `presence`, for faces
        `openings` (of eyes and mouth), and `visibility` if it is predicted.
    """
    predicted, shown = found.points.float(), presence > 0.5
    seen = torch.ones_like(points[..., 0]) if visibility is None else visibility
    low = torch.where(seen[..., None] > 0, points, 2.0).amin(1)
    high = torch.where(seen[..., None] > 0, points, -2.0).amax(1)
    unit = 0.5 * (high - low).amax(-1, keepdim=True).clamp_min(0.05)
    face = points.shape[1] == FACE96.count
    weight = torch.ones(points.shape[1], device=points.device)
    for group in (EYES, MOUTH, IRISES) if face else ():
        weight[group] = 2.0
    weight = weight * seen
    counted = seen.mean(1).clamp_min(1e-3)
    distance = ((predicted - points).abs().sum(-1) / unit * weight).mean(1) / counted
    entropy = (_cross_entropy(found.heatmaps, points) * weight).mean(1) / counted
    terms = {"points": distance, "heatmaps": entropy}
    if face:
        found_openings, openings = (p[:, UPPER_LIDS] - p[:, LOWER_LIDS] for p in (predicted, points))
        terms["openings"] = ((found_openings - openings).abs().sum(-1) / unit).mean(1)
    if found.visibility is not None:
        logits = found.visibility.float()
        terms["visibility"] = F.binary_cross_entropy_with_logits(logits, seen, reduction="none").mean(1)
    count = shown.sum().clamp_min(1)
    losses = {name: (value * shown).sum() / count for name, value in terms.items()}
    return losses | {"presence": F.binary_cross_entropy_with_logits(found.presence.float(), presence)}


def _cross_entropy(maps: Tensor, points: Tensor) -> Tensor:
    """Of heat-map logits (B, K, s, s) against Gaussians of one cell around the truth (B, K, 2); (B, K)."""
    cells = maps.shape[-1]
    # Heat maps are drawn between the middles of the outermost cells, which lie inside the crop's border.
    outermost = cell_positions(cells, maps.device)[-1]
    target = gaussian_heatmaps(points / outermost, cells, cells, variance=(2 / (cells - 1)) ** 2).flatten(2)
    target = target / target.sum(-1, keepdim=True).clamp_min(1e-6)
    return -(target * maps.float().flatten(2).log_softmax(-1)).sum(-1)


def detector_loss(found: DetectorOutput, boxes: Tensor, stride: int) -> dict[str, Tensor]:
    """Losses of the detector (focal loss and L1, as in CenterNet; Zhou et al., 2019).

    Args:
        found (`DetectorOutput`): Predictions on an (h, w) grid.
        boxes (`Tensor` of shape (B, N, 3)): Centre x, y and longer side in pixels; side 0 for no face.
        stride (`int`): Pixels per cell.
    """
    scores = found.scores.float()
    batch, _, height, width = scores.shape
    x, y = (torch.arange(n, device=boxes.device) + 0.5 for n in (width, height))
    centre, side = boxes[..., :2] / stride, boxes[..., 2] / stride
    real = side > 0
    spread = (0.15 * side).clamp_min(0.7)[..., None, None]
    squared = (x - centre[..., :1, None]) ** 2 + (y[:, None] - centre[..., 1:, None]) ** 2
    blobs = torch.exp(-squared / (2 * spread**2)) * real[..., None, None]
    heat = blobs.amax(1, keepdim=True)
    cell = centre.long()
    cell = torch.stack([cell[..., 0].clamp(0, width - 1), cell[..., 1].clamp(0, height - 1)], -1)
    image = torch.arange(batch, device=boxes.device)[:, None].expand_as(real)[real]
    at = (image, cell[..., 1][real], cell[..., 0][real])
    peak = torch.zeros_like(heat)
    peak[at[0], 0, at[1], at[2]] = 1
    probability = scores.sigmoid().clamp(1e-4, 1 - 1e-4)
    positive = -((1 - probability) ** 2) * probability.log() * peak
    negative = -((1 - heat) ** 4) * probability**2 * (1 - probability).log() * (1 - peak)
    count = real.sum().clamp_min(1)
    offsets = found.offsets.float()[at[0], :, at[1], at[2]] - (centre[real] - cell[real] - 0.5)
    sizes = found.sizes.float()[at[0], 0, at[1], at[2]] - side[real].clamp_min(0.1).log()
    return {
        "scores": (positive + negative).sum() / count,
        "offsets": offsets.abs().sum() / count,
        "sizes": sizes.abs().sum() / count,
    }


class LandmarkerTrainer:
    """One training run; the networks that are to learn take a step together.

    Args:
        args (`LandmarkerArguments`): Its settings.
        scenes (`Sequence[Scene]`): Labelled pictures; see [`load_scenes`], for bodies [`load_body_scenes`].
    """

    def __init__(self, args: LandmarkerArguments, scenes: Sequence[Scene]) -> None:
        self.args, self.output = args, Path(args.output_dir)
        self.accelerator = Accelerator(mixed_precision=args.mixed_precision)
        set_seed(args.seed)
        config = AdaATLandmarkerConfig(**args.model)
        if args.init_from is None:
            model = AdaATLandmarker(config)
        else:
            model = load_for_training(args.init_from, config)
        model = model.train().to(memory_format=torch.channels_last)
        self.average = averaged_model(model, args.ema_decay, self.accelerator.device)
        optimizer = torch.optim.AdamW(model.parameters(), args.learning_rate, weight_decay=1e-4)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.config = config
        self.scheduler = get_scheduler("cosine", optimizer, args.warmup_steps, args.max_steps)
        self.accelerator.register_for_checkpointing(self.scheduler, self.average)
        self._open_data(scenes)

    def _open_data(self, scenes: Sequence[Scene]) -> None:
        args, config = self.args, self.config
        size, margin = config.crop_size, config.crop_margin
        clips: list[PackedClip] = []
        if config.layout == BODY18.name:
            bodies = [scene for scene in scenes if isinstance(scene, BodyScene)]
            crops: Dataset = BodyCropDataset(bodies, size, margin, args.seed)
        else:
            clips = [clip for folder in args.train_data for clip in read_packs(folder)]
            clips, weights = select_clips(clips, args.exclude, args.keep, args.sampling)
            crops = LandmarkDataset(clips, weights, scenes, size, margin, args.seed)
        pictures = SceneDataset(scenes, clips, config.detector_size, args.seed)
        self.data = {"crops": (crops, args.batch_size), "scenes": (pictures, args.scene_batch_size)}
        if args.parts_batch_size:
            if not config.parts:
                raise ValueError(f"parts_batch_size is {args.parts_batch_size}, but model.parts is not true.")
            self.data["parts"] = PartCropDataset(bodies, size, margin, args.seed), args.parts_batch_size

    def train(self) -> int:
        """Train to `max_steps` or the time limit, write the averaged model to `output_dir/landmarker`; the steps done."""
        steps = run_steps(self.accelerator, self.args, self._batches, self._train_batch)
        replace_folder(self.output / "landmarker", cast(AdaATLandmarker, self.average.module).eval().save_pretrained)
        return steps

    def _batches(self, step: int) -> Iterator[dict[str, dict[str, Tensor]]]:
        """Batches of all data that is used, by its name."""
        loaders = {name: self._loader(data, count, step) for name, (data, count) in self.data.items() if count}
        return (dict(zip(loaders, batches, strict=True)) for batches in zip(*loaders.values(), strict=True))

    def _loader(self, dataset: Any, batch_size: int, step: int) -> DataLoader:
        sampler = RangeSampler(step * batch_size, self.args.max_steps * batch_size)
        return DataLoader(dataset, batch_size, sampler=sampler, num_workers=self.args.num_workers)

    def _train_batch(self, batches: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
        model = self.accelerator.unwrap_model(self.model)
        learn = {"crops": self._learn_crops, "scenes": self._learn_scenes, "parts": self._learn_parts}
        losses: dict[str, Tensor] = {}
        for name, batch in batches.items():
            losses |= learn[name](model, self._on_device(batch))
        self.accelerator.backward(sum(WEIGHTS[name] * value for name, value in losses.items()))
        self.accelerator.clip_grad_norm_(self.model.parameters(), 5.0)
        self.optimizer.step()
        self.scheduler.step()
        self.optimizer.zero_grad()
        self.average.update_parameters(model)
        return {name: value.detach() for name, value in losses.items()}

    def _learn_crops(self, model: AdaATLandmarker, crops: dict[str, Tensor]) -> dict[str, Tensor]:
        with self.accelerator.autocast():
            found = model(crops["pixel_values"])
        return landmark_loss(found, crops["points"], crops["presence"], crops.get("visibility"))

    def _learn_scenes(self, model: AdaATLandmarker, scenes: dict[str, Tensor]) -> dict[str, Tensor]:
        with self.accelerator.autocast():
            seen = model.find(scenes["pixel_values"])
        return detector_loss(seen, scenes["boxes"], self.config.detector_stride)

    def _learn_parts(self, model: AdaATLandmarker, crops: dict[str, Tensor]) -> dict[str, Tensor]:
        with self.accelerator.autocast():
            found = model.tell_parts(crops["pixel_values"], crops["points"], crops["visibility"])
        return {"parts": parts_loss(found, crops["parts"])}

    def _on_device(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        moved = {name: value.to(self.accelerator.device) for name, value in batch.items()}
        return moved | {"pixel_values": moved["pixel_values"].to(memory_format=torch.channels_last)}
