"""Features of pictures for FID and identity similarity, from networks of the user's choice."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .backbones import VGGFeatures


# A function from pictures (N, H, W, 3), uint8, to features (N, D), float32.
Features = Callable[[np.ndarray], np.ndarray]

# Where recognition networks trained on aligned faces of 112x112 expect the eyes, the tip of the nose and the mouth's corners
# (x, y); the positions of the ArcFace papers' data (Deng et al., CVPR 2019).
ALIGNED_SIDE = 112
ALIGNED_POINTS = np.array([[38.29, 51.70], [73.53, 51.50], [56.03, 71.74], [41.55, 92.37], [70.73, 92.20]], np.float32)


def open_features(name: str, device: torch.device) -> Features:
    """Open a network whose features describe pictures.

    Args:
        name (`str`): `"vgg16"` or `"vgg16:<file>"` (ImageNet, see [`VGGFeatures`]; means of the last layer of pictures brought to
            112x112 pixels, 512 numbers);
            `"inception"`: the network of published FIDs, which the package torch-fidelity downloads (2048 numbers);
            `"transformers:<hub id or folder>"`: the pooled output of a vision model; `"onnx:<file>"`: any network from pictures
            (N, 3, H, W), scaled to [-1, 1], to (N, D), such as one that recognises faces.
        device (`torch.device`): Where it runs (ONNX: on the CPU).

    Raises:
        ValueError: if the text names none.
        ImportError: if its package is missing.
        FileNotFoundError: if its file does not exist.
    """
    kind, _, argument = name.partition(":")
    if kind == "vgg16":
        return _vgg(VGGFeatures(name).to(device))
    if name == "inception":
        return _inception(device)
    if kind == "transformers" and argument:
        return _transformers(argument, device)
    if kind == "onnx" and argument:
        return _onnx(Path(argument))
    raise ValueError(
        f"There are no features {name!r}, expected 'vgg16', 'vgg16:<file>', 'inception', 'transformers:<id>' or 'onnx:<file>'."
    )


def _as_tensor(pictures: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).to(device)


def _resized(pictures: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(pictures, (height, width), mode="bilinear", antialias=True)


def _vgg(network: VGGFeatures) -> Features:
    @torch.no_grad()
    def features(pictures: np.ndarray) -> np.ndarray:
        small = _resized(_as_tensor(pictures, network.mean.device).float() / 255, ALIGNED_SIDE, ALIGNED_SIDE)
        maps = network(small)[-1]
        return maps.mean((2, 3)).float().cpu().numpy()

    return features


def _inception(device: torch.device) -> Features:
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ImportError as error:
        raise ImportError(
            "The features 'inception' need the package torch-fidelity: pip install torch-fidelity."
        ) from error
    network: nn.Module = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"]).to(device).eval()

    @torch.no_grad()
    def features(pictures: np.ndarray) -> np.ndarray:
        return network(_as_tensor(pictures, device))[0].float().cpu().numpy()

    return features


def _transformers(name: str, device: torch.device) -> Features:
    from transformers import AutoImageProcessor, AutoModel

    processor = AutoImageProcessor.from_pretrained(name)
    network = AutoModel.from_pretrained(name, use_safetensors=True).to(device).eval()

    @torch.no_grad()
    def features(pictures: np.ndarray) -> np.ndarray:
        inputs = processor(images=list(pictures), return_tensors="pt").to(device)
        result = network(**inputs)
        pooled = getattr(result, "pooler_output", None)
        pooled = result.last_hidden_state.mean(1) if pooled is None else pooled
        return pooled.flatten(1).float().cpu().numpy()

    return features


def _onnx(file: Path) -> Features:
    import onnxruntime

    if not file.is_file():
        raise FileNotFoundError(f"The network {str(file)!r} does not exist.")
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    if len(given.shape) != 4 or given.shape[1] != 3:
        raise ValueError(f"{str(file)!r} takes inputs of shape {given.shape}, expected (N, 3, H, W).")
    fixed = [side for side in given.shape[2:] if isinstance(side, int)]

    def features(pictures: np.ndarray) -> np.ndarray:
        tensor = _as_tensor(pictures, torch.device("cpu")).float() / 127.5 - 1
        if len(fixed) == 2:
            tensor = _resized(tensor, *fixed)
        # One at a time: many published graphs have a batch of 1 written into them.
        return np.concatenate([session.run(None, {given.name: picture[None].numpy()})[0] for picture in tensor])

    return features


def align_face(picture: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Cut out a face so that eyes, nose and mouth lie where recognition networks expect them.

    Args:
        picture (`np.ndarray` of shape (H, W, 3)): uint8.
        landmarks (`np.ndarray` of shape (96, 2)): In pixels.

    Returns:
        `np.ndarray` of shape (112, 112, 3), uint8.
    """
    eyes = [landmarks[36:42].mean(0), landmarks[42:48].mean(0)]
    points = np.array([*eyes, landmarks[30], landmarks[48], landmarks[54]], np.float32)
    matrix, _ = cv2.estimateAffinePartial2D(points, ALIGNED_POINTS, method=cv2.LMEDS)
    if matrix is None:
        raise ValueError("The landmarks lie in one point, a face cannot be aligned by them.")
    side = (ALIGNED_SIDE, ALIGNED_SIDE)
    return cv2.warpAffine(picture, matrix, side, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)


def cosine_similarity(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cosines of rows (N, D) with rows (N, D) or (1, D); (N,)."""
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return (first * second).sum(1) / np.maximum(lengths, 1e-12)


class _AsGiven(nn.Module):
    """Hands features through to torchmetrics."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.num_features = size

    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet_distance(painted: np.ndarray, reference: np.ndarray) -> float:
    """Fréchet distance of two sets of features (Heusel et al., 2017), by torchmetrics.

    Args:
        painted, reference (`np.ndarray` of shapes (N, D) and (M, D)): Features of at least two pictures each.

    Raises:
        ValueError: if there are fewer.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    if min(len(painted), len(reference)) < 2:
        raise ValueError(
            f"FID needs at least two pictures on both sides, there are {len(painted)} painted and {len(reference)} true ones."
        )
    # The features were gathered from all processes before.
    metric = FrechetInceptionDistance(feature=_AsGiven(painted.shape[1]), sync_on_compute=False)
    metric.set_dtype(torch.float64)
    metric.update(torch.from_numpy(np.asarray(reference, np.float64)), real=True)
    metric.update(torch.from_numpy(np.asarray(painted, np.float64)), real=False)
    return max(0.0, float(metric.compute()))


__all__ = ["Features", "align_face", "cosine_similarity", "frechet_distance", "open_features"]
