"""ImageNet feature extractors for perceptual losses and LPIPS: torchvision's weights, or a safetensors file."""

import warnings
from pathlib import Path
from typing import Literal, cast

import torch
import torchvision
from safetensors.torch import load_file
from torch import Tensor, nn


# relu1_1, relu2_1, relu3_1, relu4_1, relu5_1 of each network.
_LAYERS = {"vgg16": (1, 6, 11, 18, 25), "vgg19": (1, 6, 11, 20, 29)}
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class VGGFeatures(nn.Module):
    """Activations relu1_1 to relu5_1 of a VGG network on RGB pictures in [0, 1].

    Args:
        name (`str`): `"vgg19"` or `"vgg16"` for torchvision's weights (downloaded once), or `"vgg16:<file>"` for a
            safetensors file with the tensors `features.N.weight` and `features.N.bias`.

    Raises:
        ValueError: if the name is unknown.
        FileNotFoundError: if the file does not exist.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: str) -> None:
        super().__init__()
        kind, _, file = name.partition(":")
        if kind not in _LAYERS:
            raise ValueError(
                f"There is no feature extractor {name!r}, expected one of {sorted(_LAYERS)} or '<kind>:<file>'."
            )
        weights = None if file else "IMAGENET1K_V1"
        network = getattr(torchvision.models, kind)(weights=weights).features[: _LAYERS[kind][-1] + 1]
        if file:
            network.load_state_dict(_read_features(Path(file), len(network)))
        for module in network:
            if isinstance(module, nn.ReLU):
                module.inplace = False
        self.layers = network.eval().requires_grad_(False)
        self.taps = _LAYERS[kind]
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(_STD)[:, None, None], persistent=False)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """(B, 3, H, W) to five feature maps."""
        feature = (pictures - self.mean) / self.std
        found = []
        for number, layer in enumerate(self.layers):
            feature = layer(feature)
            if number in self.taps:
                found.append(feature)
        return found


def _read_features(file: Path, layers: int) -> dict[str, Tensor]:
    if not file.is_file():
        raise FileNotFoundError(f"The backbone's weights {str(file)!r} do not exist.")
    tensors = load_file(file)
    named = {key.removeprefix("features."): value.float() for key, value in tensors.items()}
    return {key: value for key, value in named.items() if int(key.split(".")[0]) < layers}


# Indices of the convolutions that LPIPS takes from torchvision's networks.
_CONVOLUTIONS = {"alex": (0, 3, 6, 8, 10), "vgg": (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)}


def lpips_metric(backbone: str | None = None, net: Literal["alex", "vgg"] = "alex") -> nn.Module:
    """LPIPS, version 0.1 (Zhang et al., 2018), on pictures in [-1, 1].

    Args:
        backbone (`str`, *optional*): A safetensors file with torchvision's features (`features.N.weight`) of AlexNet or VGG16;
            otherwise torchvision downloads them.
        net (`str`, *optional*, defaults to `"alex"`): `"alex"` or `"vgg"`.

    Raises:
        FileNotFoundError: if the file does not exist.
        ValueError: if it holds another network.
    """
    import lpips

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metric = lpips.LPIPS(net=net, pnet_rand=backbone is not None, verbose=False)
    if backbone is not None:
        indices = _CONVOLUTIONS[net]
        tensors = _read_features(Path(backbone), indices[-1] + 1)
        convolutions = [module for module in metric.net.modules() if isinstance(module, nn.Conv2d)]
        for module, index in zip(convolutions, indices, strict=True):
            weight = tensors.get(f"{index}.weight")
            if weight is None or weight.shape != module.weight.shape:
                raise ValueError(f"{backbone!r} does not hold the features of the LPIPS network {net!r}.")
            module.weight.data.copy_(weight)
            cast(Tensor, module.bias).data.copy_(tensors[f"{index}.bias"])
    return metric.eval().requires_grad_(False)
