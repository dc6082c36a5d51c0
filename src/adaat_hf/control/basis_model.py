"""What the face model and the body model share: a linear basis in buffers, and where such models are loaded from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from ..bundled import bundled_path


class BasisModel(PreTrainedModel):
    """A model that consists of data: buffers and no parameters, the first of them named `mean`."""

    mean: Tensor

    @property
    def dtype(self) -> torch.dtype:
        """Data type of the basis; the model has buffers only, where the base class looks for parameters."""
        return self.mean.dtype

    @property
    def device(self) -> torch.device:
        """Device of the basis."""
        return self.mean.device

    def _init_weights(self, module: nn.Module) -> None:
        """The basis is data, not parameters: nothing to initialise."""

    def fill_buffers(self, values: Mapping[str, np.ndarray]) -> None:
        """Copy arrays into the buffers of these names.

        Raises:
            ValueError: if an array has another shape than its buffer.
        """
        for name, array in values.items():
            buffer = self.get_buffer(name)
            if buffer.shape != array.shape:
                raise ValueError(f"The basis has shape {array.shape}, expected {tuple(buffer.shape)}.")
            buffer.copy_(torch.from_numpy(np.asarray(array)))

    @classmethod
    def from_folder(cls, folder: str | Path) -> Self:
        """Load the model, as float32, of a pipeline's folder, of a bundled one, or of a folder that holds nothing else."""
        path = bundled_path(folder) or Path(folder)
        inner = path / cls.base_model_prefix
        return cls.from_pretrained(inner if inner.is_dir() else path, dtype=torch.float32)
