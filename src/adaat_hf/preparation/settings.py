"""How clips are prepared."""

from dataclasses import dataclass
from typing import Literal


Kind = Literal["face", "person"]
DETECTORS = {"face": "bundled/face", "person": "bundled/person"}


@dataclass(frozen=True)
class PreparationSettings:
    """How clips are prepared.

    Args:
        kind (`str`, *optional*, defaults to `"face"`): `"face"` or `"person"`.
        size (`tuple[int, int]`, *optional*, defaults to `(256, 256)`): Height and width of the crops, in pixels; of faces, equal.
        detector (`str`, *optional*): As [`open_landmarker`] or [`open_body_detector`] takes it; the bundled one by default.
        control_model (`str`, *optional*): Folder of the face or body model; the bundled one by default.
        crop (`bool`, *optional*, defaults to `True`): Cut out the subject where no box is published; otherwise the clips are
            already framed, and the middle of the whole frames is kept.
        max_frames (`int`, *optional*, defaults to 250): Longer clips are divided into segments of at most so many
            frames, counted at the rate of the data set's lists; a faster video has more in the same time.
        max_fps (`float`, *optional*, defaults to 30): Faster clips are thinned out to this rate.
        min_found (`float`, *optional*, defaults to 0.9): Share of frames that must show the subject.
        quality (`int`, *optional*, defaults to 16): h264 crf of the prepared clips.

    Raises:
        ValueError: if a value is out of its range.
    """

    kind: Kind = "face"
    size: tuple[int, int] = (256, 256)
    detector: str = ""
    control_model: str = ""
    crop: bool = True
    max_frames: int = 250
    max_fps: float = 30.0
    min_found: float = 0.9
    quality: int = 16

    def __post_init__(self) -> None:
        if self.kind not in DETECTORS:
            raise ValueError(f"kind is {self.kind!r}, expected one of {sorted(DETECTORS)}.")
        height, width = self.size
        if min(self.size) < 32 or height % 2 or width % 2:
            raise ValueError(f"size is {height}x{width}, expected even numbers of at least 32 pixels.")
        if self.kind == "face" and height != width:
            raise ValueError(f"size is {height}x{width}, expected a square for faces.")
        if self.max_frames < 2:
            raise ValueError(f"max_frames is {self.max_frames}, expected at least 2.")
        object.__setattr__(self, "detector", self.detector or DETECTORS[self.kind])
        object.__setattr__(self, "control_model", self.control_model or DETECTORS[self.kind])
