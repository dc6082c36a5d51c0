"""What the page and the HTTP interface share: the loaded pipelines, limits, checks of files, and runs that can be stopped."""

from .limits import ServingLimits
from .studio import Studio


__all__ = ["ServingLimits", "Studio"]
