"""A face pipeline that is quick and paints noise."""

import pytest

from adaat_hf import AdaATImageProcessor, FaceReenactmentPipeline


@pytest.fixture
def pipe(tiny_generator, face_model):
    pipeline = FaceReenactmentPipeline(tiny_generator, face_model, AdaATImageProcessor())
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
