"""Read pictures of any kind as upright RGB."""

import os
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import PIL.ImageOps
import torch

from ..marking import draw_label, mark_image_options, mark_written_file


MAX_IMAGE_PIXELS = 100_000_000
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")

ImageInput = str | Path | PIL.Image.Image | np.ndarray | torch.Tensor


class ImageError(ValueError):
    """A picture cannot be read; the message says why."""


def load_image(image: ImageInput) -> np.ndarray:
    """Read a picture as RGB.

    EXIF rotation is applied; 16-bit, gray, palette and CMYK pictures are converted; transparency is laid over white.

    Args:
        image (`str`, `Path`, `PIL.Image.Image`, `np.ndarray` or `torch.Tensor`): A file; a PIL picture; an array
            (H, W), (H, W, 3) or (H, W, 4), uint8, uint16, or floating in [0, 1]; or a tensor (3, H, W) of the same
            types.

    Returns:
        `np.ndarray` of shape (H, W, 3), uint8.

    Raises:
        FileNotFoundError: if there is no such file.
        ImageError: if it is no picture, is damaged, or has more than `MAX_IMAGE_PIXELS` pixels.
    """
    if isinstance(image, torch.Tensor):
        return _from_array(_channels_last(image).cpu().numpy())
    if isinstance(image, np.ndarray):
        return _from_array(image)
    if isinstance(image, PIL.Image.Image):
        return _from_pil(image)
    path = Path(image)
    if not path.is_file():
        raise FileNotFoundError(f"Image file {str(path)!r} does not exist.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
            with PIL.Image.open(path) as opened:
                return _from_pil(opened)
    except ImageError as error:
        raise ImageError(f"{str(path)!r} cannot be used: {error}") from error
    except (OSError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise ImageError(f"{str(path)!r} cannot be read as an image: {error}.") from error


def _channels_last(image: torch.Tensor) -> torch.Tensor:
    if image.ndim != 3 or image.shape[0] not in (1, 3, 4):
        raise ImageError(f"The tensor has shape {tuple(image.shape)}, expected (3, H, W).")
    return image.detach().permute(1, 2, 0).to(torch.float32 if image.is_floating_point() else image.dtype)


def _from_array(array: np.ndarray) -> np.ndarray:
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape:
        raise ImageError(f"The array has shape {array.shape}, expected (H, W), (H, W, 3) or (H, W, 4).")
    if array.dtype == np.uint16:
        array = (array / 257).round()
    elif np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all() or array.min() < 0 or array.max() > 1:
            raise ImageError(f"The picture's values span {array.min():g} to {array.max():g}, expected [0, 1].")
        array = (array * 255).round()
    elif array.dtype != np.uint8:
        raise ImageError(f"The picture has type {array.dtype}, expected uint8, uint16 or floating.")
    array = array.astype(np.uint8)
    if array.shape[2] == 4:
        return _over_white(PIL.Image.fromarray(array, "RGBA"))
    return np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3)))


def _from_pil(image: PIL.Image.Image) -> np.ndarray:
    if image.width * image.height > MAX_IMAGE_PIXELS:
        raise ImageError(f"The picture is {image.width}x{image.height}, more than {MAX_IMAGE_PIXELS} pixels.")
    image = PIL.ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image).astype(np.float64)
        if not np.isfinite(values).all():
            raise ImageError("The picture has values that are not finite (NaN or infinite).")
        scale = 257 if image.mode.startswith("I") else 1
        return _from_array((values / scale).round().clip(0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        return _over_white(image.convert("RGBA"))
    return np.asarray(image.convert("RGB"))


def _over_white(image: PIL.Image.Image) -> np.ndarray:
    white = PIL.Image.new("RGBA", image.size, "white")
    return np.asarray(PIL.Image.alpha_composite(white, image).convert("RGB"))


def check_image_name(path: str | Path) -> None:
    """Raise [`ImageError`] if a picture cannot be written there: unknown suffix, or no such folder."""
    path = Path(path)
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise ImageError(f"The output is {str(path)!r}, expected a name that ends in one of {IMAGE_SUFFIXES}.")
    if not path.parent.is_dir():
        raise ImageError(f"The folder {str(path.parent)!r} of the output does not exist.")


def find_images(folder: str | Path) -> list[Path]:
    """The pictures of a folder, sorted.

    Raises:
        ValueError: if there is none.
    """
    found = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise ValueError(f"The folder {str(folder)!r} has no pictures ({', '.join(IMAGE_SUFFIXES)}).")
    return found


def limit_size(picture: np.ndarray, max_size: int | None) -> np.ndarray:
    """A picture (H, W, 3), reduced to this longer side if it is larger."""
    shrink = max_size / max(picture.shape[:2]) if max_size else 1.0
    return cv2.resize(picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA) if shrink < 1 else picture


def save_image(picture: np.ndarray, path: str | Path, mark: bool = False) -> Path:
    """Write a picture in the format of the path's suffix; it appears when it is complete.

    Args:
        picture (`np.ndarray` of shape (H, W, 3)): RGB, uint8.
        path (`str` or `Path`): The file.
        mark (`bool`, *optional*, defaults to `False`): Mark it as synthetic (see `adaat_hf.marking`).

    Raises:
        ImageError: if it cannot be written.
    """
    path = Path(path)
    options = mark_image_options(path.suffix) if mark else {}
    partial = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        PIL.Image.fromarray(draw_label(picture) if mark else picture).save(partial, **options)
        if mark:
            mark_written_file(partial)
        partial.replace(path)
    except (OSError, ValueError) as error:
        raise ImageError(f"{str(path)!r} cannot be written: {error}.") from error
    finally:
        partial.unlink(missing_ok=True)
    return path


def as_images(value: Any) -> list[ImageInput]:
    """One picture or a list of pictures as a list; a tensor or array with four dimensions is a batch."""
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, (np.ndarray, torch.Tensor)) and value.ndim == 4:
        return list(value)
    return [value]
