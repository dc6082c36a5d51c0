"""User study (paper, section 5.2): people rate clips of several methods without knowing which method made them."""

from .clips import StudyClips, StudyError, read_study
from .report import export_ratings, report_table
from .store import Rating, RatingStore


__all__ = [
    "Rating",
    "RatingStore",
    "StudyClips",
    "StudyError",
    "export_ratings",
    "read_study",
    "report_table",
]
