"""Conversion of the paper authors' released checkpoints (https://github.com/MRzzm/AdaAT) to this library's layout."""

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from torch import Tensor

from .configuration_adaat import AdaATConfig, AdaATDiscriminatorConfig
from .modeling_adaat import AdaATGenerator
from .modeling_discriminator import AdaATDiscriminator


Model = TypeVar("Model", AdaATGenerator, AdaATDiscriminator)

_RENAMES: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"appearance_encoder\.0\.in_conv\.", "stem."),
    (r"appearance_encoder\.0\.down_blocks\.(\d+)\.", r"down.\1."),
    (r"appearance_encoder\.(\d+)\.", lambda match: f"encoder.{int(match[1]) - 1}."),
    (r"trans_encoder\.(\d+)\.", r"transformation_encoder.blocks.\1."),
    (r"appearance_conv_list\.(\d+)\.(\d+)\.", r"alignment.stacks.\1.\2."),
    (r"adaAT3\.commn_linear\.0\.", "alignment.adain.common."),
    (r"adaAT3\.mean\.", "alignment.adain.shift."),
    (r"adaAT3\.var\.", "alignment.adain.scale."),
    (r"adaAT(\d)\.commn_linear\.0\.", lambda match: f"alignment.operators.{int(match[1]) - 1}.common."),
    (
        r"adaAT(\d)\.(scale|rotation|translation)\.0\.",
        lambda match: f"alignment.operators.{int(match[1]) - 1}.{match[2]}.",
    ),
    (r"appearance_decoder\.4\.up_blocks\.(\d+)\.", r"up.\1."),
    (r"appearance_decoder\.4\.out_conv\.", "to_picture."),
    (r"appearance_decoder\.(\d+)\.", r"decoder.\1."),
    (r"channel_conv\.", "skip."),
)


def _without_module_prefix(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix("module."): value for key, value in state_dict.items()}


def _rename(key: str) -> str:
    for pattern, replacement in _RENAMES:
        key = re.sub(pattern, replacement, key)
    return key


def convert_original_state_dict(state_dict: Mapping[str, Tensor]) -> AdaATGenerator:
    """Build a generator from the authors' released layout.

    The person network (18 key points) and the face network (68) are told apart by their tensors. The result reproduces
    the released behaviour: flawed operator, nearest up-sampling, BGR inside (RGB outside).

    Args:
        state_dict (`Mapping[str, Tensor]`): `net_g` of the released file, with or without `module.` prefixes.

    Returns:
        [`AdaATGenerator`]: in evaluation mode.

    Raises:
        ValueError: if tensors are missing or unknown.
    """
    original = _without_module_prefix(state_dict)
    first = original.get("appearance_encoder.0.in_conv.conv.weight")
    if first is None:
        raise ValueError(
            "The state dict has no 'appearance_encoder.0.in_conv.conv.weight': it is not a released AdaAT generator."
        )
    code_blocks = len({key.split(".")[1] for key in original if key.startswith("trans_encoder.")})
    config = AdaATConfig(
        num_keypoints=(first.shape[1] - 3) // 2,
        code_blocks=code_blocks,
        upsample_mode="nearest",
        align_corners=False,
        blend_channels=True,
        channel_order="bgr",
    )
    return _load(AdaATGenerator(config), {_rename(key): value for key, value in original.items()})


def convert_original_discriminator(state_dict: Mapping[str, Tensor]) -> AdaATDiscriminator:
    """Build a discriminator from `net_d` of the authors' released file; see [`convert_original_state_dict`]."""
    original = _without_module_prefix(state_dict)
    first = original.get("down_blocks.0.conv.weight")
    if first is None:
        raise ValueError(
            "The state dict has no 'down_blocks.0.conv.weight': it is not a released AdaAT discriminator."
        )
    config = AdaATDiscriminatorConfig(num_keypoints=first.shape[1] - 3, channel_order="bgr")
    renamed = {
        re.sub(r"^conv\.", "head.", re.sub(r"down_blocks\.(\d+)\.conv\.", r"blocks.\1.", key)): value
        for key, value in original.items()
    }
    return _load(AdaATDiscriminator(config), renamed)


def _load(model: Model, state_dict: dict[str, Tensor]) -> Model:
    missing, unexpected = model.load_state_dict(state_dict, strict=False)
    if missing or unexpected:
        raise ValueError(
            f"The state dict does not fit: {len(missing)} tensors are missing (first: {missing[:3]}), "
            f"{len(unexpected)} are unknown (first: {unexpected[:3]})."
        )
    return model.eval()


__all__ = ["convert_original_discriminator", "convert_original_state_dict"]
