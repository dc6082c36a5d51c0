"""Entry file of a talking face repository; the class comes from the package `adaat-hf`."""

from adaat_hf import TalkingFacePipeline


__all__ = ["TalkingFacePipeline"]
