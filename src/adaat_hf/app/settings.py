"""What the page allows, so that one visitor cannot use up the machine."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AppSettings:
    """Limits of the page.

    Args:
        max_seconds (`float`): Longest clip or sound.
        max_upload_megabytes (`int`): Largest file.
        max_size (`int`): Longer side in pixels to which results are reduced.
        queue_size (`int`): Runs that may wait.
        keep_seconds (`int`): How long uploads and results are kept.
    """

    max_seconds: float = 60.0
    max_upload_megabytes: int = 200
    max_size: int = 960
    queue_size: int = 20
    keep_seconds: int = 3600
