"""Key-point layouts of faces: names, index tables, groups, mirroring, and conversions between layouts."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np


JAW = slice(0, 17)
BROWS = slice(17, 27)
NOSE = slice(27, 36)
EYES = slice(36, 48)
MOUTH = slice(48, 68)
# Points whose distance, pair by pair, says how far eyes and mouth are open.
UPPER_LIDS = [37, 38, 43, 44, 61, 62, 63, 51]
LOWER_LIDS = [41, 40, 47, 46, 67, 66, 65, 57]
IRISES = slice(68, 70)
FOREHEAD = slice(70, 86)
CHEEKS = slice(86, 96)

MIRROR_IBUG68 = (
    *range(16, -1, -1),
    *range(26, 16, -1),
    *(27, 28, 29, 30, 35, 34, 33, 32, 31),
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
    *(64, 63, 62, 61, 60, 67, 66, 65),
)
MIRROR_IRISES = (69, 68)
MIRROR_FOREHEAD = (70, 77, 78, 79, 80, 81, 82, 71, 72, 73, 74, 75, 76, 83, 85, 84)
MIRROR_CHEEKS = (87, 86, 89, 88, 91, 90, 93, 92, 95, 94)

# Indices into MediaPipe's 478-point face mesh (https://ai.google.dev/edge/mediapipe/solutions/vision/face_landmarker).
MESH_IBUG68 = (
    *(127, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 356),
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),
    *(168, 197, 5, 1, 98, 97, 2, 326, 327),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),
    *(78, 82, 13, 312, 308, 317, 14, 87),
)
MESH_IRISES = (468, 473)
MESH_FOREHEAD = (10, 338, 297, 332, 284, 251, 389, 109, 67, 103, 54, 21, 162, 151, 337, 108)
MESH_CHEEKS = (50, 280, 205, 425, 101, 330, 36, 266, 117, 346)


@dataclass(frozen=True)
class KeypointLayout:
    """An ordered set of key points.

    Args:
        name (`str`): Identifier stored in files and configs.
        mirror (`tuple[int, ...]`): Index that each point takes over when the picture is flipped left to right.
        groups (`dict[str, slice]`): Named ranges of points.
    """

    name: str
    mirror: tuple[int, ...]
    groups: dict[str, slice] = field(default_factory=dict)

    @cached_property
    def count(self) -> int:
        """Number of points."""
        return len(self.mirror)

    def flip(self, points: np.ndarray, width: float) -> np.ndarray:
        """Mirror points of shape (..., K, 2 or 3), in pixels, of a picture `width` pixels wide."""
        flipped = points[..., list(self.mirror), :].copy()
        flipped[..., 0] = width - 1 - flipped[..., 0]
        return flipped


_GROUPS = {"jaw": JAW, "brows": BROWS, "nose": NOSE, "eyes": EYES, "mouth": MOUTH}
IBUG68 = KeypointLayout("ibug68", MIRROR_IBUG68, _GROUPS)
IBUG70 = KeypointLayout("ibug70", MIRROR_IBUG68 + MIRROR_IRISES, {**_GROUPS, "irises": IRISES})
FACE96 = KeypointLayout(
    "face96",
    IBUG70.mirror + MIRROR_FOREHEAD + MIRROR_CHEEKS,
    {**IBUG70.groups, "forehead": FOREHEAD, "cheeks": CHEEKS},
)
LAYOUTS = {layout.name: layout for layout in (IBUG68, IBUG70, FACE96)}

MESH_TO_FACE96 = MESH_IBUG68 + MESH_IRISES + MESH_FOREHEAD + MESH_CHEEKS
