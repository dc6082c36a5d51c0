"""The HTTP interface: the four tasks as requests with files. `adaat serve` starts it."""

from .api import build_api


__all__ = ["build_api"]
