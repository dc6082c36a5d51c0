"""Say whether a file can be used as a source or as a driver, and why not."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..control.template import MotionTemplate
from ..video import VideoReader
from .face_tracking import FaceTrack, track_face
from .images import IMAGE_SUFFIXES, load_image
from .landmark_files import read_landmark_file
from .landmarks import FaceLandmarker
from .photo import find_faces


GOOD_FACE_PIXELS = 120
CHECKED_FRAMES = 250


@dataclass
class CheckReport:
    """The verdict on a file.

    Args:
        file (`str`): Its name.
        kind (`str`): `"picture"`, `"video"`, `"landmarks"` or `"motion template"`.
        usable (`bool`): Whether it can be used.
        facts (`list[str]`): What it holds.
        advice (`list[str]`): What limits the result.
    """

    file: str
    kind: str
    usable: bool = True
    facts: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        verdict = "usable" if self.usable else "not usable"
        lines = [f"{self.file}: {verdict} ({self.kind})", *(f"  {fact}" for fact in self.facts)]
        return "\n".join([*lines, *(f"  advice: {text}" for text in self.advice)])


def check_file(path: Path, landmarker: FaceLandmarker) -> CheckReport:
    """Examine a picture, a video, a landmark file or a motion template.

    Raises:
        FileNotFoundError, ValueError: if the file cannot be read at all.
    """
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return _check_picture(path, landmarker)
    if suffix == ".safetensors":
        template = MotionTemplate.load(path)
        report = CheckReport(path.name, "motion template")
        report.facts.append(f"{len(template.coefficients)} frames at {template.fps:g} frames/s")
        return report
    if suffix in (".csv", ".npz"):
        track, _ = read_landmark_file(path)
        report = CheckReport(path.name, "landmarks")
        _describe_track(report, track)
        return report
    return _check_video(path, landmarker)


def _check_picture(path: Path, landmarker: FaceLandmarker) -> CheckReport:
    picture = load_image(path)
    report = CheckReport(path.name, "picture", facts=[f"{picture.shape[1]}x{picture.shape[0]} pixels"])
    faces = find_faces(picture, landmarker)
    if not faces:
        report.usable = False
        report.advice.append("no face was found: use a clear, well lit view of a face")
        return report
    report.facts.append(f"{len(faces)} face{'s' if len(faces) > 1 else ''}, the largest {faces[0].size:.0f} px")
    if len(faces) > 1:
        report.advice.append("choose a face with --source-face (0 is the largest), or animate all")
    if faces[0].size < GOOD_FACE_PIXELS:
        report.advice.append(f"the face is small: {GOOD_FACE_PIXELS} px or more give a sharper result")
    _describe_pose(report, faces[0].as_face96()[0][None])
    return report


def _check_video(path: Path, landmarker: FaceLandmarker) -> CheckReport:
    reader = VideoReader(path)
    report = CheckReport(path.name, "video")
    sound = "with sound" if reader.has_sound else "without sound"
    report.facts.append(
        f"{reader.width}x{reader.height} pixels, about {reader.frame_estimate} frames at {float(reader.fps):g} frames/s, {sound}"
    )
    frames = (frame for _, frame in zip(range(CHECKED_FRAMES), reader, strict=False))
    track = track_face(frames, landmarker)
    if reader.frame_estimate > CHECKED_FRAMES:
        report.facts.append(f"the first {CHECKED_FRAMES} frames were examined")
    _describe_track(report, track)
    return report


def _describe_track(report: CheckReport, track: FaceTrack) -> None:
    found = track.found
    report.facts.append(f"a face in {int(found.sum())} of {len(found)} frames")
    if not found.any():
        report.usable = False
        report.advice.append("no frame shows a face")
        return
    if not found.all():
        report.advice.append("frames without a face hold the last pose (--frame-policy)")
    extent = np.ptp(track.points[found], axis=1).max(1)
    if np.median(extent) < GOOD_FACE_PIXELS / 2:
        report.advice.append(f"the face is only {np.median(extent):.0f} px large, so its motion is imprecise")
    _describe_pose(report, track.points[found])


def _describe_pose(report: CheckReport, points: np.ndarray) -> None:
    """Advice for heads that are turned far to the side: the nose leaves the middle between the outer eye corners."""
    left, right, nose = points[:, 36], points[:, 45], points[:, 30]
    across = right - left
    share = ((nose - left) * across).sum(1) / np.maximum((across**2).sum(1), 1e-6)
    turned = np.mean(np.abs(share - 0.5) > 0.38)
    if turned > 0.2:
        report.advice.append("the head is turned far to the side: a more frontal view gives a better result")
