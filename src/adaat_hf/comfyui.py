"""Nodes for ComfyUI: reenact, talk, pose and person.

Make `custom_nodes/adaat/__init__.py` in ComfyUI's folder with this one line:

    from adaat_hf.comfyui import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS
"""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .devices import best_device
from .marking import draw_label
from .pipelines.base import AdaATPipeline
from .pipelines.pipeline_face_reenactment import FaceReenactmentPipeline
from .pipelines.pipeline_person_generation import PersonGenerationPipeline
from .pipelines.pipeline_pose_transfer import PoseTransferPipeline
from .pipelines.pipeline_talking_face import TalkingFacePipeline
from .processing.image_processing_adaat import to_uint8


CATEGORY = "AdaAT"
MARK = ("BOOLEAN", {"default": True, "tooltip": "Put the visible label of synthetic media into the pictures"})
STRENGTH = ("FLOAT", {"default": 1.0, "min": 0.0, "max": 2.0, "step": 0.05})
MODEL = {"face": ("STRING", {"default": "bundled/face"}), "person": ("STRING", {"default": "bundled/person"})}


@lru_cache(maxsize=4)
def _load(kind: type[AdaATPipeline], model: str) -> Any:
    return kind.from_pretrained(model).to(best_device())


def _pictures(images: Tensor) -> np.ndarray:
    """ComfyUI's pictures (B, H, W, 3) in [0, 1] as uint8."""
    return to_uint8(images.detach().float().clamp(0, 1).cpu().numpy())


def _images(frames: Any, mark: bool) -> Tensor:
    """Frames (H, W, 3), uint8, as ComfyUI's pictures."""
    shown = [draw_label(np.asarray(frame)) if mark else np.asarray(frame) for frame in frames]
    return torch.from_numpy(np.stack(shown)).float() / 255


class _Node:
    CATEGORY = CATEGORY
    FUNCTION = "run"
    RETURN_TYPES: tuple[str, ...] = ("IMAGE",)


class AdaATReenact(_Node):
    """A photograph takes over the expression and head motion of driving frames."""

    DESCRIPTION = "Animate a photograph of a face with the frames of a driving video."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Inputs, as ComfyUI asks for them."""
        required = {
            "photo": ("IMAGE",), "driving": ("IMAGE",), "control": (["both", "expression", "pose"],),
            "motion": (["relative", "absolute"],), "eyes": STRENGTH, "brows": STRENGTH, "mouth": STRENGTH,
            "head": STRENGTH, "mark": MARK, "model": MODEL["face"],
        }  # fmt: skip
        return {"required": required}

    def run(
        self, photo: Tensor, driving: Tensor, control: Any, motion: Any, eyes: float, brows: float, mouth: float,
        head: float, mark: bool, model: str,
    ) -> tuple[Tensor]:  # fmt: skip
        """Pictures (T, H, W, 3), one for each driving frame."""
        pipe = _load(FaceReenactmentPipeline, model)
        strengths = {"eyes": eyes, "brows": brows, "mouth": mouth, "head": head}
        result = pipe(_pictures(photo)[0], _pictures(driving), control=control, motion=motion, strengths=strengths)
        return (_images(result.arrays(), mark),)


class AdaATTalk(_Node):
    """A photograph says what a sound contains."""

    DESCRIPTION = "Make a photograph of a face talk; returns frames, their rate, and the sound."
    RETURN_TYPES = ("IMAGE", "FLOAT", "AUDIO")
    RETURN_NAMES = ("frames", "fps", "audio")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Inputs, as ComfyUI asks for them."""
        required = {
            "photo": ("IMAGE",), "audio": ("AUDIO",), "emotion": (["neutral", "happy", "angry", "surprise"],),
            "emotion_strength": STRENGTH, "seed": ("INT", {"default": 0, "min": 0, "max": 2**31 - 1}),
            "fps": ("FLOAT", {"default": 25.0, "min": 1.0, "max": 60.0}), "mark": MARK, "model": MODEL["face"],
        }  # fmt: skip
        return {"required": required}

    def run(
        self, photo: Tensor, audio: dict[str, Any], emotion: str, emotion_strength: float, seed: int, fps: float,
        mark: bool, model: str,
    ) -> tuple[Tensor, float, dict[str, Any]]:  # fmt: skip
        """Pictures (T, H, W, 3), frames per second, and the sound as it came."""
        samples = audio["waveform"][0].float().cpu().numpy().T
        pipe = _load(TalkingFacePipeline, model)
        result = pipe(
            _pictures(photo)[0], (samples, int(audio["sample_rate"])), emotion=emotion,
            emotion_strength=emotion_strength, seed=seed, fps=fps,
        )  # fmt: skip
        return _images(result.arrays(), mark), float(result.fps), audio


class AdaATPose(_Node):
    """A photographed person moves as the person in driving frames does."""

    DESCRIPTION = "Let a photographed person move as somebody in a driving video does."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Inputs, as ComfyUI asks for them."""
        required = {
            "photos": ("IMAGE",), "driving": ("IMAGE",), "placement": (["relative", "absolute"],),
            "keep_proportions": ("BOOLEAN", {"default": True}), "mark": MARK, "model": MODEL["person"],
        }  # fmt: skip
        return {"required": required}

    def run(
        self, photos: Tensor, driving: Tensor, placement: Any, keep_proportions: bool, mark: bool, model: str
    ) -> tuple[Tensor]:
        """Pictures (T, H, W, 3), one for each driving frame."""
        pipe = _load(PoseTransferPipeline, model)
        frames = list(_pictures(driving))
        result = pipe(list(_pictures(photos)), frames, placement=placement, swap=keep_proportions)
        return (_images(result.arrays(), mark),)


class AdaATPerson(_Node):
    """A photographed person in the poses of other pictures."""

    DESCRIPTION = "Show a photographed person in the poses of other pictures."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Inputs, as ComfyUI asks for them."""
        return {"required": {"photos": ("IMAGE",), "poses": ("IMAGE",), "mark": MARK, "model": MODEL["person"]}}

    def run(self, photos: Tensor, poses: Tensor, mark: bool, model: str) -> tuple[Tensor]:
        """Pictures (N, H, W, 3), one for each pose."""
        pipe = _load(PersonGenerationPipeline, model)
        result = pipe(list(_pictures(photos)), list(_pictures(poses)), pose_person="largest")
        return (_images(result.images, mark),)


NODE_CLASS_MAPPINGS = {node.__name__: node for node in (AdaATReenact, AdaATTalk, AdaATPose, AdaATPerson)}
NODE_DISPLAY_NAME_MAPPINGS = {
    "AdaATReenact": "AdaAT: reenact a face",
    "AdaATTalk": "AdaAT: talking face",
    "AdaATPose": "AdaAT: pose transfer",
    "AdaATPerson": "AdaAT: person in another pose",
}
