"""What differs between the tasks of one training loop: where pairs come from, and which regions the losses stress."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..control.face_model import AdaATFaceModel
from ..models.limbs import body_coverage
from ..processing.body_keypoints import BODY18
from .arguments import TrainingArguments
from .data import PairDataset, is_selected, select_clips
from .image_pairs import METADATA, ImagePairDataset
from .items import DamagedItemError
from .losses import feature_weights, stressed
from .packs import LoadedClip, PackedClip, read_packs
from .pair_maker import PairMaker, fixed_pairs
from .streaming import StreamedDataset, clip_stream, pair_stream


class Task(Protocol):
    """One kind of training data."""

    @property
    def dataset(self) -> Dataset:
        """Endless training items."""
        ...

    def validation_pairs(self) -> Iterator[dict[str, Any]]:
        """Held-out items, always the same, in the form of the data set's."""
        ...

    def loss_weights(self, batch: dict[str, Tensor]) -> Tensor | None:
        """Weight map (B, 1, H, W) of a batch with mean 1, if the losses stress regions."""
        ...


class _ClipTask:
    """Frames of prepared clips; see [`PairDataset`] and, for streams, [`StreamedDataset`]."""

    def __init__(
        self, args: TrainingArguments, num_keypoints: int, face_model: AdaATFaceModel | None, processes: int
    ) -> None:
        self.args, self.num_keypoints = args, num_keypoints
        self.maker = PairMaker(
            args.task,
            args.size,
            num_keypoints,
            face_model,
            augment=args.augment,
            hard_pairs=args.hard_pairs,
            fitted_keypoints=args.fitted_keypoints,
            dyed=args.dyed,
            cut_off=args.cut_off,
        )
        self.dataset: Dataset = self._stream() if args.streaming else self._clips(processes)

    def _clips(self, processes: int) -> Dataset:
        args = self.args
        clips = [clip for folder in args.train_data for clip in read_packs(folder)]
        clips, weights = select_clips(clips, args.exclude, args.keep, args.sampling)
        self._check(clips)
        return PairDataset(
            clips,
            weights,
            self.maker,
            seed=args.seed,
            second_source=args.second_source,
            batch_size=args.batch_size * processes,
        )

    def _check(self, clips: Sequence[PackedClip]) -> None:
        """Raise if the first readable clip is of the other task."""
        for clip in clips:
            with suppress(DamagedItemError):
                self.maker.check(clip, clip.tensors())
                return

    def _stream(self) -> Dataset:
        args = self.args

        def item(clip: LoadedClip, random: np.random.Generator) -> dict[str, Tensor] | None:
            wanted = is_selected(clip, args.exclude, args.keep)
            return self.maker.item(clip, clip.tensors(), False, random) if wanted else None

        return StreamedDataset(clip_stream(args.train_data), item, args.seed)

    def validation_pairs(self) -> Iterator[dict[str, Any]]:
        """See [`fixed_pairs`]."""
        clips = read_packs(str(self.args.validation_data))
        return fixed_pairs(clips, self.args.task, self.args.size, self.num_keypoints)


class FaceTask(_ClipTask):
    """Faces in clips."""

    def loss_weights(self, batch: dict[str, Tensor]) -> Tensor | None:
        """Eyes and mouth."""
        height, width = batch["driving"].shape[2:]
        return feature_weights(batch["driving_keypoints"], height, width, self.args.eyes_mouth_weight)


class _StressedBody:
    """What the losses on persons stress."""

    args: TrainingArguments

    def loss_weights(self, batch: dict[str, Tensor]) -> Tensor | None:
        """Where the body is to be, and where it was in the first source and may have left traces."""
        if not self.args.body_weight:
            return None
        size = batch["driving"].shape[2:]
        there = body_coverage(batch["driving_keypoints"], batch["driving_visibility"], *size)
        points, visibility = batch["source_keypoints"], batch["source_visibility"]
        if points.ndim == 4:
            points, visibility = points[:, 0], visibility[:, 0]
        here = body_coverage(points, visibility, *size)
        return stressed(torch.maximum(there, here), self.args.body_weight)


class PersonClipTask(_StressedBody, _ClipTask):
    """Persons in clips, and DeepFashion's pictures as `adaat prepare` packs them."""


class PersonPictureTask(_StressedBody):
    """Folders and parquet files of picture pairs; see [`ImagePairDataset`]."""

    def __init__(self, args: TrainingArguments, processes: int) -> None:
        chosen = [name for name in ("exclude", "keep", "sampling") if getattr(args, name)]
        if chosen:
            raise ValueError(
                f"{chosen[0]} is {getattr(args, chosen[0])}, but {args.train_data[0]!r} holds pairs without facts."
            )
        self.args = args
        folders = [] if args.streaming else [Path(folder) for folder in args.train_data]
        pairs = ImagePairDataset(
            folders,
            args.size,
            seed=args.seed,
            augment=args.augment,
            dyed=args.dyed,
            cut_off=args.cut_off,
            second_source=args.second_source,
            batch_size=args.batch_size * processes,
        )
        self.dataset: Dataset = pairs
        if args.streaming:
            self.dataset = StreamedDataset(pair_stream(args.train_data), pairs.item_of_row, args.seed)

    def validation_pairs(self) -> Iterator[dict[str, Any]]:
        """All pairs of the validation folder."""
        return ImagePairDataset([Path(str(self.args.validation_data))], self.args.size, augment=False).fixed()


def _holds_pictures(name: str) -> bool:
    """Whether training data is a folder or parquet file of picture pairs, not packs of clips."""
    folder = Path(name)
    return name.endswith(".parquet") or (folder / METADATA).is_file() or any(folder.glob("*.parquet"))


def open_task(
    args: TrainingArguments, num_keypoints: int, face_model: AdaATFaceModel | None, processes: int = 1
) -> Task:
    """The task that `args` names.

    Args:
        args (`TrainingArguments`): Settings of the run.
        num_keypoints (`int`): What the generator has.
        face_model (`AdaATFaceModel`, *optional*): For fitted key points.
        processes (`int`, *optional*, defaults to 1): How many share a step.

    Raises:
        FileNotFoundError: if there is no training data, or none of this task.
        ValueError: if the data is damaged or empty, or does not fit the network.
    """
    expected = "18 (bodies)" if args.task == "person" else "68 to 96 (faces)"
    if (num_keypoints == BODY18.count) != (args.task == "person"):
        raise ValueError(f"The task is {args.task!r}, but the network has {num_keypoints} key points, not {expected}.")
    if args.task == "face":
        return FaceTask(args, num_keypoints, face_model, processes)
    if any(map(_holds_pictures, args.train_data)):
        return PersonPictureTask(args, processes)
    return PersonClipTask(args, num_keypoints, None, processes)
