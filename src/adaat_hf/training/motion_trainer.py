"""Train the motion model: from prepared clips with sound to the coefficients of their faces."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, cast

import torch
import yaml
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import get_scheduler

from ..control.face_model import AdaATFaceModel
from ..models.configuration_motion import AdaATMotionConfig
from ..models.modeling_motion import AdaATMotionModel, AdaATMotionOutput
from ..models.motion_noise import smooth_noise
from ..processing.feature_extraction_adaat import AdaATFeatureExtractor
from .averaging import averaged_model
from .checkpoints import replace_folder
from .data import RangeSampler, select_clips
from .loop import run_steps
from .motion_data import TARGET_RATE, MotionDataset, clips_with_sound
from .motion_losses import MotionLosses
from .packs import read_packs


@dataclass(kw_only=True)
class MotionArguments:
    """
    Settings of a motion model's training.

    Args:
        output_dir (`str`), train_data (`list[str]`), exclude, keep, sampling: see [`TrainingArguments`]; clips without
            sound are left out. A column `emotion` of the index file labels clips.
        model (`dict`): Fields of [`AdaATMotionConfig`].
        encoder (`str`, *optional*): Hub id or folder of a transformers speech encoder to use in place of log-mel features.
        weights (`dict[str, float]`): Weight of each loss of [`MotionLosses`].
        seconds (`float`): Length of the windows.
        augment (`bool`): Change speed with pitch, level, noise and band width.
        batch_size, max_steps, learning_rate, warmup_steps, ema_decay, seed, num_workers
        mixed_precision (`str`): `"no"`, `"bf16"` or `"fp16"`.
        time_limit (`float`, *optional*): Minutes after which the run saves a checkpoint and ends.
        checkpoint_steps (`int`): Steps between checkpoints.
    """

    output_dir: str
    train_data: list[str]
    exclude: list[str] = field(default_factory=list)
    keep: dict[str, Any] = field(default_factory=dict)
    sampling: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    encoder: str | None = None
    weights: dict[str, float] = field(default_factory=dict)
    seconds: float = 3.0
    augment: bool = True
    batch_size: int = 32
    max_steps: int = 4000
    learning_rate: float = 1.0e-3
    warmup_steps: int = 200
    ema_decay: float = 0.998
    seed: int = 0
    num_workers: int = 1
    mixed_precision: str = "no"
    time_limit: float | None = None
    checkpoint_steps: int = 500

    def __post_init__(self) -> None:
        unknown = self.weights.keys() - DEFAULT_WEIGHTS.keys()
        if unknown:
            raise ValueError(f"There is no loss {sorted(unknown)}, expected some of {sorted(DEFAULT_WEIGHTS)}.")
        self.weights = {**DEFAULT_WEIGHTS, **self.weights}

    @classmethod
    def from_yaml(cls, path: str | Path, **changes: Any) -> "MotionArguments":
        """Read a YAML file; `changes` replace its values.

        Raises:
            ValueError: if a key is unknown.
        """
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8")) | changes
        unknown = values.keys() - {item.name for item in fields(cls)}
        if unknown:
            raise ValueError(f"There is no training setting {sorted(unknown)} for motion models.")
        return cls(**values)


DEFAULT_WEIGHTS = {
    "coefficients": 1.0,
    "landmarks": 20.0,
    "velocity": 20.0,
    "amplitude": 10.0,
    "closure": 5.0,
    "upper_face": 0.3,
    "pose": 0.3,
    "blinks": 0.3,
}


def extractor_for(config: AdaATMotionConfig) -> AdaATFeatureExtractor:
    """The feature extractor that fits a model."""
    if config.encoder is not None:
        return AdaATFeatureExtractor(
            1, config.sampling_rate, feature_type="waveform", hop_length=1, window_length=1, n_fft=1, speech_level=0.0
        )
    hop = round(config.sampling_rate / config.feature_rate)
    return AdaATFeatureExtractor(config.feature_size, config.sampling_rate, hop_length=hop)


class MotionTrainer:
    """One training run.

    Args:
        args ([`MotionArguments`]): Its settings.
        face_model ([`AdaATFaceModel`]): What the clips' coefficients belong to.
    """

    def __init__(self, args: MotionArguments, face_model: AdaATFaceModel) -> None:
        self.args, self.output = args, Path(args.output_dir)
        self.accelerator = Accelerator(mixed_precision=args.mixed_precision)
        set_seed(args.seed)
        if args.encoder is not None:
            model = AdaATMotionModel.from_pretrained_encoder(args.encoder, **args.model)
        else:
            model = AdaATMotionModel(AdaATMotionConfig(**args.model))
        self.config = model.config
        self.extractor = extractor_for(self.config)
        clips = clips_with_sound([clip for folder in args.train_data for clip in read_packs(folder)])
        chosen, probabilities = select_clips(clips, args.exclude, args.keep, args.sampling)
        self.dataset = MotionDataset(
            chosen, probabilities, face_model, self.extractor, self.config,
            seconds=args.seconds, augment=args.augment, seed=args.seed,
        )  # fmt: skip
        device = self.accelerator.device
        self.losses = MotionLosses(face_model, device)
        self.average = averaged_model(model.train(), args.ema_decay, device)
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trainable, args.learning_rate, weight_decay=1e-2)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.scheduler = get_scheduler("cosine", optimizer, args.warmup_steps, args.max_steps)
        for part in (self.scheduler, self.average):
            self.accelerator.register_for_checkpointing(part)

    def train(self) -> int:
        """Train to `max_steps` or the time limit, write the averaged model and its feature extractor; the steps done."""
        steps = run_steps(self.accelerator, self.args, self._batches, self._train_batch)
        if self.accelerator.is_main_process:
            model = cast(AdaATMotionModel, self.average.module).eval()
            replace_folder(self.output / "motion_model", model.save_pretrained)
            replace_folder(self.output / "feature_extractor", self.extractor.save_pretrained)
        return steps

    def _batches(self, step: int) -> Iterator[tuple[int, dict[str, Tensor]]]:
        size, processes = self.args.batch_size, self.accelerator.num_processes
        first, last = step * size * processes, self.args.max_steps * size * processes
        sampler = RangeSampler(first, last, self.accelerator.process_index, processes)
        loader = DataLoader(self.dataset, size, sampler=sampler, num_workers=self.args.num_workers)
        for number, batch in enumerate(loader, step):
            yield number, {name: value.to(self.accelerator.device) for name, value in batch.items()}

    def _train_batch(self, numbered: tuple[int, dict[str, Tensor]]) -> dict[str, Tensor]:
        step, batch = numbered
        internal = batch["blinks"].shape[1]
        wanted = batch["weight"].shape[1]
        times = torch.arange(wanted, device=batch["weight"].device) * (self.config.frame_rate / TARGET_RATE)
        times = times.expand(len(batch["weight"]), -1)
        # One frame more than the window: the last one is centred at its end.
        noise = self._noise(step, 2 * len(times), internal + 1)
        with self.accelerator.autocast():
            found = self.model(batch["input_features"], times, noise, batch["emotion"])
        draws = [
            AdaATMotionOutput(*parts)
            for parts in zip(*(part.float().chunk(2) for part in found.to_tuple()), strict=True)
        ]
        losses = self.losses(draws[0], draws[1], batch)
        total = torch.stack([self.args.weights[name] * value for name, value in losses.items()]).sum()
        self.accelerator.backward(total)
        self.accelerator.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.scheduler.step()
        self.optimizer.zero_grad()
        self.average.update_parameters(self.accelerator.unwrap_model(self.model))
        return {name: value.detach() for name, value in losses.items()}

    def _noise(self, step: int, count: int, frames: int) -> Tensor:
        """Independent stretches of noise (count, frames, noise_size), the same when a run repeats a step."""
        seed = (self.args.seed * self.accelerator.num_processes + self.accelerator.process_index) * 2**32 + step
        config = self.config
        noise = smooth_noise(
            seed, 0, count * frames, config.frame_rate, config.noise_seconds, config.noise_channels
        )  # fmt: skip
        return noise.view(count, frames, -1).to(self.accelerator.device)
