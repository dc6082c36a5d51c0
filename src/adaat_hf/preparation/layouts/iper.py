"""iPER (Liu et al., Liquid Warping GAN, 2019): videos or frames of 30 actors, SMPL coefficients, lists of the splits."""

from pathlib import Path

from ...processing.images import IMAGE_SUFFIXES
from ...video import VideoError, VideoReader
from ..sources import ClipSource, LayoutError, Listing, Missing, divide, find_videos, make_key


LISTS = {"train": "train.txt", "test": "val.txt"}
# Frames of the published videos per second.
FPS = 30.0
IMAGES = ("images", "images_HD")
SMPL = ("pose_shape.npz", "pose_shape.pkl")


def list_iper(folder: Path, max_frames: int) -> Listing:
    """What a folder has of iPER.

    Args:
        folder (`Path`): `train.txt` and `val.txt`, with lines such as `001/1/1` (actor, clothes, action); the frames in
            `images/001/1/1/*` (or `images_HD`), or videos `001_1_1.mp4` anywhere; perhaps
            `smpls/001/1/1/pose_shape.npz` or `.pkl` with `cams`, `pose` and `shape`.
        max_frames (`int`): Longer clips are divided.

    Raises:
        LayoutError: if a list is missing, or names a clip twice.
    """
    listing, videos = Listing(), find_videos(folder)
    seen: dict[str, str] = {}
    for split, name in LISTS.items():
        for clip in _read_list(folder, name):
            if clip in seen:
                raise LayoutError(f"{name!r} names {clip!r}, which {seen[clip]!r} has already.")
            seen[clip] = name
            listing.count(split)
            try:
                listing.sources += _segments(folder, clip, split, videos, max_frames)
            except (LayoutError, VideoError) as error:
                listing.missing.append(Missing(clip, split, str(error)))
    return listing


def _read_list(folder: Path, name: str) -> list[str]:
    path = folder / name
    if not path.is_file():
        raise LayoutError(f"There is no {name!r} in {str(folder)!r}: iPER comes with train.txt and val.txt.")
    lines = [line.strip().strip("/") for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line]


def _segments(folder: Path, clip: str, split: str, videos: dict[str, Path], max_frames: int) -> list[ClipSource]:
    actor, *rest = clip.split("/")
    facts = {"clip": clip, "video": clip, "person": actor, "subject": "/".join([actor, *rest[:1]])}
    smpl = next((p for name in SMPL if (p := folder / "smpls" / clip / name).is_file()), None)
    key = make_key(clip.replace("/", "_"), clip)
    for images in IMAGES:
        files = _frames(folder / images / clip)
        if files:
            # Pictures have no time; at the videos' rate, a stretch of them is the same as one of the video.
            seconds = len(files) / FPS
            return list(
                divide(ClipSource(key, split, files, len(files), 0.0, seconds, None, facts, smpl), FPS, max_frames)
            )
    video = videos.get(clip.replace("/", "_"))
    if video is None:
        raise LayoutError(f"There are neither frames in images/{clip} nor a video {clip.replace('/', '_')}.mp4.")
    reader = VideoReader(video)
    seconds = reader.frame_estimate / float(reader.fps)
    source = ClipSource(key, split, (video,), reader.frame_estimate, 0.0, seconds, None, facts, smpl)
    return list(divide(source, min(float(reader.fps), FPS), max_frames))


def _frames(folder: Path) -> tuple[Path, ...]:
    """Pictures by the numbers in their names, which are not always filled up with zeros."""
    if not folder.is_dir():
        return ()
    files = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
    return tuple(sorted(files, key=lambda path: (int("".join(filter(str.isdigit, path.stem)) or 0), path.name)))
