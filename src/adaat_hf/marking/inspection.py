"""Say whether and how a file is marked as synthetic."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .credentials import Credentials, can_sign, read_credentials
from .label import FOUND, label_score
from .xmp import creator_tool, read_packet, source_type


# Frames of a video whose corners are looked at.
LOOKED_AT = 12
SYNTHETIC = ("compositeWithTrainedAlgorithmicMedia", "trainedAlgorithmicMedia", "compositeSynthetic")


@dataclass(frozen=True)
class MarkReport:
    """What marks a file carries.

    Args:
        label (`float`): Agreement of its lower right corner with the visible label; see [`label_score`].
        xmp_source_type (`str`, *optional*): IPTC's digital source type in its XMP.
        xmp_tool (`str`, *optional*): The tool named there.
        credentials ([`Credentials`], *optional*): Its Content Credentials.
        credentials_readable (`bool`): Whether c2pa-python is there to read them.
    """

    label: float
    xmp_source_type: str | None
    xmp_tool: str | None
    credentials: Credentials | None
    credentials_readable: bool

    @property
    def has_label(self) -> bool:
        """Whether the visible label was found."""
        return self.label >= FOUND

    @property
    def marked(self) -> bool:
        """Whether any mark says that the file is synthetic."""
        signed = self.credentials is not None and self.credentials.source_type in SYNTHETIC
        return self.has_label or self.xmp_source_type in SYNTHETIC or signed

    def as_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {"marked": self.marked, "has_label": self.has_label, **asdict(self)}

    def __str__(self) -> str:
        xmp = f"{self.xmp_source_type or 'no source type'}, by {self.xmp_tool or 'an unnamed tool'}"
        lines = [
            "marked as synthetic" if self.marked else "not marked as synthetic",
            f"  visible label: {'yes' if self.has_label else 'no'} (agreement {self.label:.2f})",
            f"  XMP: {xmp if self.xmp_source_type or self.xmp_tool else 'none'}",
            f"  Content Credentials (C2PA): {self._describe_credentials()}",
        ]
        return "\n".join(lines)

    def _describe_credentials(self) -> str:
        found = self.credentials
        if found is None:
            return "none" if self.credentials_readable else 'cannot be read, install "adaat-hf[c2pa]"'
        meaning = {
            "Trusted": "unchanged since it was signed by a known signer",
            "Valid": "unchanged since it was signed; the signer's identity is not verified",
        }.get(found.state, "DO NOT MATCH the file, which was changed after it was signed")
        return f"{found.source_type or 'no source type'}, by {found.tool}, signer {found.signer!r}: {meaning}"


def inspect_file(path: str | Path) -> MarkReport:
    """Look for the marks of a picture or video.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is neither picture nor video.
    """
    path = Path(path)
    scores = [label_score(picture) for picture in _pictures(path)]
    packet = read_packet(path) or b""
    return MarkReport(
        round(float(np.median(scores)), 3),
        source_type(packet),
        creator_tool(packet),
        read_credentials(path),
        can_sign(),
    )


def _pictures(path: Path) -> list[np.ndarray]:
    from ..processing.images import IMAGE_SUFFIXES, load_image
    from ..video import VideoReader

    if path.suffix.lower() in IMAGE_SUFFIXES:
        return [load_image(path)]
    reader = VideoReader(path)
    step = max(1, reader.frame_estimate // LOOKED_AT)
    return [frame for number, frame in enumerate(reader) if number % step == 0]
