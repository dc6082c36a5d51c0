"""The page in the browser: four tabs over the four pipelines. `adaat demo` and the Space on the Hub show the same one."""

from .page import build_app, launch_app
from .settings import AppSettings
from .studio import Studio


__all__ = ["AppSettings", "Studio", "build_app", "launch_app"]
