"""Files of requests: kept in a folder of their own, under names of ours."""

import shutil
from pathlib import Path

from fastapi import HTTPException, UploadFile

from .. import video
from ..processing.images import IMAGE_SUFFIXES


VIDEO_SUFFIXES = (*video.VIDEO_SUFFIXES, ".m4v")
SOUND_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".m4a", ".aac", ".opus", *VIDEO_SUFFIXES)
FACE_MOTION_SUFFIXES = (".safetensors", ".csv", ".npz")
BODY_MOTION_SUFFIXES = (".safetensors", ".npz", ".npy", ".json")
POSE_SUFFIXES = (".json", ".npz", *IMAGE_SUFFIXES)


def store(upload: UploadFile, folder: Path, name: str, suffixes: tuple[str, ...]) -> Path:
    """Write an upload to `folder` as `name` with the suffix of its own name, of which nothing else is used.

    Raises:
        HTTPException: 415 if the suffix is none of `suffixes`.
    """
    suffix = Path(upload.filename or "").suffix.lower()
    if suffix not in suffixes:
        raise HTTPException(415, f"The file of {name!r} ends in {suffix!r}, expected one of {', '.join(suffixes)}.")
    path = folder / f"{name}{suffix}"
    with path.open("wb") as file:
        shutil.copyfileobj(upload.file, file)
    return path
