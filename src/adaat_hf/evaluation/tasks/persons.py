"""Persons: paint somebody in the pose of another picture of theirs, and compare with that picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...models.limb_warp import move_limbs, prepare_layers
from ...training.image_pairs import ImagePairDataset
from ..footage import Footage
from ..generators import open_generator
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
        """The item, with what pipelines make of its sources, once for all methods."""
        sources = [item[name] for name in ("source", "source_keypoints", "source_visibility")]
        if sources[0].ndim == 3:
            sources = [value[None] for value in sources]
        return item | {"prepared": prepare_layers(*sources)}

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
        """A generator, with the key points of the pair."""
        model = open_generator(folder, self.settings.device)

        @torch.no_grad()
        def paint(case: dict[str, Any]) -> list[np.ndarray]:
            inputs = [case[name][None].to(self.settings.device) for name in CONDITIONS]
            ready = case["prepared"].to(self.settings.device, model.dtype) if model.config.moves_limbs else None
            return list(as_frames(torch.as_tensor(model(*inputs, prepared=ready).images), case["key"]))

        return paint

    def about(self) -> dict[str, str]:
        """See [`PaintingTask.about`]."""
        return {"size": f"{self.height}x{self.width} (height x width)", "sources": str(self.sources)}


def _move_limbs(case: dict[str, Any]) -> list[np.ndarray]:
    source, here, there, seen_here, seen_there = (_first(case, name)[None] for name in CONDITIONS)
    moved = move_limbs(source, here, there, seen_here, seen_there, case["prepared"].source(0))
    return list(as_frames(moved.composed(), case["key"]))


def _first(case: dict[str, Any], name: str) -> Tensor:
    value: Tensor = case[name]
    return value[0] if case["source"].ndim == 4 and name.startswith("source") else value


__all__ = ["PersonPairs"]
