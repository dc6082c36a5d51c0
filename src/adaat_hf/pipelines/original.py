"""The authors' released person checkpoint as a pipeline folder of this library."""

import pickle
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..bundled import bundled_path
from ..models.conversion import convert_original_discriminator, convert_original_state_dict
from ..models.modeling_adaat import AdaATGenerator
from ..models.modeling_landmarker import AdaATLandmarker
from ..processing.body_keypoints import BODY18
from ..processing.image_processing_adaat import AdaATImageProcessor
from .pipeline_person_generation import PersonGenerationPipeline


NETWORKS = ("net_g", "net_d")
CARD = """---
library_name: adaat_hf
pipeline_tag: image-to-image
license: other
license_name: none
tags: [adaat, person-image-generation]
---

# AdaAT person image generation, converted from the authors' checkpoint

Converted by `adaat convert` from a file of the paper's authors (https://github.com/MRzzm/AdaAT, epoch {epoch}).

**The authors gave neither their code nor these weights a licence, so all rights are theirs: use them for your own
research, do not publish this folder.**

The network runs in the released manner: the operator as it was trained (`align_corners=False`, channels blended), BGR
inside, nearest up-sampling, key points divided by width and height, missing joints as ghosts in the top left corner. It
was trained on DeepFashion at 256x176: fashion photographs before a white background.

```python
from adaat_hf import AdaATPipeline

pipe = AdaATPipeline.from_pretrained("{folder}")
pipe(source="fashion.jpg", pose="other.jpg").save("out.png")
```
"""


def convert_original_checkpoint(path: str | Path, output: str | Path) -> Path:
    """Make a pipeline folder from the authors' file (`person_epoch_40.pth`).

    Args:
        path (`str` or `Path`): `{'epoch', 'state_dict': {'net_g', 'net_d'}, 'optimizer'}`; read without running anything
            that is in it.
        output (`str` or `Path`): The folder to make: a [`PersonGenerationPipeline`], the discriminator beside it, and a card.

    Returns:
        `Path`: the folder.

    Raises:
        FileNotFoundError: if there is no such file.
        FileExistsError: if the folder exists and is not empty.
        ValueError: if the file is something else.
    """
    path, output = Path(path), Path(output)
    if output.exists() and any(output.iterdir()):
        raise FileExistsError(f"The folder {str(output)!r} exists and is not empty.")
    content = _read(path)
    generator = convert_original_state_dict(content["state_dict"]["net_g"])
    if generator.config.num_keypoints != BODY18.count:
        raise ValueError(
            f"{str(path)!r} holds a network for {generator.config.num_keypoints} key points; only the person network"
            f" ({BODY18.count}) has a pipeline in the released form."
        )
    discriminator = convert_original_discriminator(content["state_dict"]["net_d"])
    partial = output.with_name(f".{output.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _pipeline(generator).save_pretrained(partial)
        discriminator.save_pretrained(partial / "discriminator")
        card = CARD.format(epoch=content.get("epoch", "unknown"), folder=output)
        (partial / "README.md").write_text(card, encoding="utf-8")
        if output.exists():
            output.rmdir()
        partial.rename(output)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return output


def _pipeline(generator: AdaATGenerator) -> PersonGenerationPipeline:
    """With the bundled body landmarker, so that it takes photographs as poses."""
    processor = AdaATImageProcessor(size={"height": 256, "width": 176}, keypoint_convention="released")
    bundled = bundled_path("bundled/person")
    assert bundled is not None
    landmarker = AdaATLandmarker.from_pretrained(bundled, subfolder="body_landmarker", dtype=torch.float32)
    return PersonGenerationPipeline(generator, processor, landmarker)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"The checkpoint {str(path)!r} does not exist.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{str(path)!r} cannot be read as a checkpoint of plain tensors: {reason}") from error
    networks = content.get("state_dict") if isinstance(content, Mapping) else None
    if not isinstance(networks, Mapping) or not all(isinstance(networks.get(name), Mapping) for name in NETWORKS):
        found = sorted(map(str, content))[:5] if isinstance(content, Mapping) else type(content).__name__
        raise ValueError(
            f"{str(path)!r} is no released AdaAT checkpoint: it holds {found}, expected 'state_dict' with {list(NETWORKS)}."
        )
    return dict(content)
