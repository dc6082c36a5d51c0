"""The page in the browser: four tabs over the four pipelines. `adaat demo` and the Space on the Hub show the same one."""

from ..serving import ServingLimits, Studio
from .page import build_app, launch_app


__all__ = ["ServingLimits", "Studio", "build_app", "launch_app"]
