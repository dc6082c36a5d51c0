"""Say in every written picture and video that it is synthetic: a visible label, XMP metadata, and Content Credentials."""

from .files import mark_image_options, mark_written_file
from .inspection import MarkReport, inspect_file
from .label import draw_label, label_score


__all__ = [
    "MarkReport",
    "draw_label",
    "inspect_file",
    "label_score",
    "mark_image_options",
    "mark_written_file",
]
