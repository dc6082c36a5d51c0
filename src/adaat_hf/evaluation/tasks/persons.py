"""Persons: paint somebody in the pose of another picture of theirs, and compare with that picture."""

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...models.limb_warp import PreparedSources, move_limbs, prepare_layers
from ...processing.landmarks_torch import TorchBodyDetector
from ...training.image_pairs import ImagePairDataset
from ..footage import Footage
from ..generators import open_generator, open_parts_teller
from ..protocols import PROTOCOLS
from ..scoring import Tools
from .base import Painter, PaintingTask, PaintSettings
from .reconstruction import as_frames


CONDITIONS = ("source", "source_keypoints", "driving_keypoints", "source_visibility", "driving_visibility")


class PersonPairs(PaintingTask[dict[str, Any]]):
    """Pairs of pictures of one person; `items` are those of [`ImagePairDataset`].

    Args:
        folders (`Sequence[Path]`): Folders of splits (`scripts/prepare_people.py`, `adaat prepare`).
        tools, settings: See [`PaintingTask`].
        height, width (`int`): Of the pictures.
        sources (`int`, *optional*, defaults to 1): Pictures to paint from; pairs whose person has fewer are left out.
    """

    protocol = PROTOCOLS["adaat-paper"]
    baselines = ("copy-source", "move-limbs")
    unit = "pair"

    def __init__(
        self, folders: Sequence[Path], tools: Tools, settings: PaintSettings, height: int, width: int, sources: int = 1
    ) -> None:
        data = ImagePairDataset(folders, (height, width), augment=False)
        super().__init__(list(data.fixed(sources)), tools, settings)
        self.height, self.width, self.sources = height, width, sources

    def read(self, item: dict[str, Any]) -> dict[str, Any]:
        """The item, with what makes its sources ready, once for all methods that are told no parts of bodies, if there are any."""
        return item | {"by_colours": cache(partial(prepare_layers, *_sources(item)))}

    def reference(self, case: dict[str, Any]) -> tuple[Footage, Footage | None]:
        """The wanted picture, and the (first) source."""
        wanted, source = (
            as_frames(picture[None], case["key"]) for picture in (case["driving"], _first(case, "source"))
        )
        return Footage.of(case["key"], list(wanted)), Footage.of("source", list(source))

    def baseline(self, name: str) -> Painter:
        """The first source as it is, or with its limbs moved ([`move_limbs`]), without a network."""
        if name == "copy-source":
            return lambda case: list(as_frames(_first(case, "source")[None], case["key"]))
        return _move_limbs

    def network(self, folder: str) -> Painter:
        """A generator, with the key points of the pair; that of a pipeline is told the parts of bodies, as the pipeline tells it."""
        model = open_generator(folder, self.settings.device)
        teller = open_parts_teller(folder, self.settings.device) if model.config.moves_limbs else None

        @torch.no_grad()
        def paint(case: dict[str, Any]) -> list[np.ndarray]:
            inputs = [case[name][None].to(self.settings.device) for name in CONDITIONS]
            ready = None
            if model.config.moves_limbs:
                prepared = case["by_colours"]() if teller is None else _told(case, teller)
                ready = prepared.to(self.settings.device, model.dtype)
            return list(as_frames(torch.as_tensor(model(*inputs, prepared=ready).images), case["key"]))

        return paint

    def about(self) -> dict[str, str]:
        """See [`PaintingTask.about`]."""
        return {"size": f"{self.height}x{self.width} (height x width)", "sources": str(self.sources)}


def _move_limbs(case: dict[str, Any]) -> list[np.ndarray]:
    source, here, there, seen_here, seen_there = (_first(case, name)[None] for name in CONDITIONS)
    moved = move_limbs(source, here, there, seen_here, seen_there, case["by_colours"]().source(0))
    return list(as_frames(moved.composed(), case["key"]))


def _sources(case: dict[str, Any]) -> list[Tensor]:
    """The sources of a case (S, 3, H, W), their key points (S, K, 2), and their visibility (S, K)."""
    values: list[Tensor] = [case[name] for name in ("source", "source_keypoints", "source_visibility")]
    return [value[None] for value in values] if values[0].ndim == 3 else values


def _told(case: dict[str, Any], teller: TorchBodyDetector) -> PreparedSources:
    """What pipelines make of the sources of a case."""
    pictures, points, seen = _sources(case)
    height, width = pictures.shape[2:]
    parts = [
        teller.find_parts(*one)
        for one in zip(
            as_frames(pictures, case["key"]),
            ((points + 1) / 2 * torch.tensor([width - 1, height - 1])).numpy(),
            seen.numpy(),
            strict=True,
        )
    ]
    return prepare_layers(pictures, points, seen, torch.from_numpy(np.stack(parts)).permute(0, 3, 1, 2) / 255)


def _first(case: dict[str, Any], name: str) -> Tensor:
    value: Tensor = case[name]
    return value[0] if case["source"].ndim == 4 and name.startswith("source") else value


__all__ = ["PersonPairs"]
