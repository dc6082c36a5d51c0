"""What visitors may ask for, so that one of them cannot use up the machine."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ServingLimits:
    """Limits of the page and of the HTTP interface.

    Args:
        max_seconds (`float`): Longest clip or sound.
        max_upload_megabytes (`int`): Largest file.
        max_size (`int`): Longer side in pixels to which results are reduced.
        max_run_seconds (`float`): Longest time of a run; of the HTTP interface's with waiting.
        queue_size (`int`): Runs that may wait.
        keep_seconds (`int`): How long uploads and results are kept.
    """

    max_seconds: float = 60.0
    max_upload_megabytes: int = 200
    max_size: int = 960
    max_run_seconds: float = 600.0
    queue_size: int = 20
    keep_seconds: int = 3600
