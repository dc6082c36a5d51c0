"""Put provenance into files that were just written."""

import logging
from pathlib import Path
from typing import Any

import PIL.PngImagePlugin

from .credentials import SIGNED_SUFFIXES, CredentialsError, can_sign, sign_file
from .xmp import append_to_mp4, xmp_packet


logger = logging.getLogger(__name__)

XMP_TAG_OF_TIFF = 700


def mark_image_options(suffix: str) -> dict[str, Any]:
    """Arguments of `PIL.Image.Image.save` that put the XMP packet into a picture of this kind; none for bmp."""
    suffix = suffix.lower()
    if suffix == ".png":
        info = PIL.PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp_packet().decode())
        return {"pnginfo": info}
    if suffix in (".jpg", ".jpeg", ".webp"):
        return {"xmp": xmp_packet()}
    if suffix in (".tif", ".tiff"):
        return {"tiffinfo": {XMP_TAG_OF_TIFF: xmp_packet()}}
    return {}


def mark_written_file(path: Path) -> None:
    """Add XMP to a complete mp4 file, then Content Credentials to it or to a picture, where c2pa-python is installed.

    A file that cannot be signed keeps its other marks, and a warning is logged.
    """
    if path.suffix.lower() == ".mp4":
        append_to_mp4(path)
    if not can_sign() or path.suffix.lower() not in SIGNED_SUFFIXES:
        return
    signed = path.with_name(f"{path.stem}.signed{path.suffix}")
    try:
        sign_file(path, signed)
        signed.replace(path)
    except CredentialsError as error:
        logger.warning("%s The file carries the label and XMP only.", error)
    finally:
        signed.unlink(missing_ok=True)
