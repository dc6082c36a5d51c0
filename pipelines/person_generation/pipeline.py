"""Entry file of a person generation repository; the class comes from the package `adaat-hf`."""

from adaat_hf import PersonGenerationPipeline


__all__ = ["PersonGenerationPipeline"]
