"""Entry file of a pose transfer repository; the class comes from the package `adaat-hf`."""

from adaat_hf import PoseTransferPipeline


__all__ = ["PoseTransferPipeline"]
