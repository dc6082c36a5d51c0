"""What differs between the tasks of one training loop: where pairs come from, and which regions the losses stress."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor
from torch.utils.data import Dataset

from ..control.face_model import AdaATFaceModel
from ..models.limbs import body_coverage
from .arguments import TrainingArguments
from .data import PairDataset, fixed_pairs, select_clips
from .image_pairs import ImagePairDataset
from .losses import feature_weights, stressed
from .packs import read_packs


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


class FaceTask:
    """Frames of clips; see [`PairDataset`]."""

    def __init__(self, args: TrainingArguments, num_keypoints: int, face_model: AdaATFaceModel | None) -> None:
        self.args, self.num_keypoints = args, num_keypoints
        clips = [clip for folder in args.train_data for clip in read_packs(folder)]
        clips, weights = select_clips(clips, args.exclude, args.keep, args.sampling)
        self.dataset: Dataset = PairDataset(
            clips,
            weights,
            args.size[0],
            num_keypoints,
            face_model,
            seed=args.seed,
            augment=args.augment,
            hard_pairs=args.hard_pairs,
            fitted_keypoints=args.fitted_keypoints,
        )

    def validation_pairs(self) -> Iterator[dict[str, Any]]:
        """See [`fixed_pairs`]."""
        return fixed_pairs(read_packs(str(self.args.validation_data)), self.args.size[0], self.num_keypoints)

    def loss_weights(self, batch: dict[str, Tensor]) -> Tensor | None:
        """Eyes and mouth."""
        height, width = batch["driving"].shape[2:]
        return feature_weights(batch["driving_keypoints"], height, width, self.args.eyes_mouth_weight)


class PersonTask:
    """Pictures of persons; see [`ImagePairDataset`]."""

    def __init__(self, args: TrainingArguments) -> None:
        self.args = args
        self.dataset: Dataset = ImagePairDataset(
            [Path(folder) for folder in args.train_data],
            args.size,
            seed=args.seed,
            augment=args.augment,
            dyed=args.dyed,
            second_source=args.second_source,
            batch_size=args.batch_size,
        )

    def validation_pairs(self) -> Iterator[dict[str, Any]]:
        """All pairs of the validation folder."""
        return ImagePairDataset([Path(str(self.args.validation_data))], self.args.size, augment=False).fixed()

    def loss_weights(self, batch: dict[str, Tensor]) -> Tensor | None:
        """Where the body is to be."""
        if not self.args.body_weight:
            return None
        region = body_coverage(batch["driving_keypoints"], batch["driving_visibility"], *batch["driving"].shape[2:])
        return stressed(region, self.args.body_weight)


def open_task(args: TrainingArguments, num_keypoints: int, face_model: AdaATFaceModel | None) -> Task:
    """The task that `args` names."""
    return PersonTask(args) if args.task == "person" else FaceTask(args, num_keypoints, face_model)
