"""Entry file of a face reenactment repository; the class comes from the package `adaat-hf`."""

from adaat_hf import FaceReenactmentPipeline


__all__ = ["FaceReenactmentPipeline"]
