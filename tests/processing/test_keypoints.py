"""Layouts of key points and the image processor."""

import numpy as np
import PIL.Image
import pytest
import torch
from transformers import AutoImageProcessor

from adaat_hf import AdaATImageProcessor
from adaat_hf.processing.keypoints import LAYOUTS, MESH_TO_FACE96


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_mirroring_twice_changes_nothing(layout):
    mirror = np.array(layout.mirror)
    assert (mirror[mirror] == np.arange(layout.count)).all()
    points = np.random.default_rng(0).uniform(0, 99, (layout.count, 2))
    np.testing.assert_allclose(layout.flip(layout.flip(points, 100), 100), points)
    for group in layout.groups.values():
        members = np.arange(layout.count)[group]
        assert set(mirror[members]) == set(members), "a mirrored group is the same group"


def test_mirrored_mean_face_is_the_mean_face(face_model):
    mean = face_model.mean.float()
    mirrored = mean[list(LAYOUTS["face96"].mirror)] * torch.tensor([-1.0, 1.0, 1.0])
    assert (mean - mirrored).norm(dim=1).max() < 0.03


def test_mesh_indices_are_valid_and_distinct():
    assert len(set(MESH_TO_FACE96)) == 96 and 0 <= min(MESH_TO_FACE96) and max(MESH_TO_FACE96) < 478


def test_processor_takes_all_kinds_and_keeps_values(tmp_path):
    processor = AdaATImageProcessor(size={"height": 16, "width": 16})
    array = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    expected = torch.from_numpy(array).permute(2, 0, 1)[None] / 255
    for image in (array, PIL.Image.fromarray(array), expected[0], torch.from_numpy(array).permute(2, 0, 1)):
        torch.testing.assert_close(processor(image, return_tensors="pt")["pixel_values"], expected)
    mixed = processor([array, np.zeros((20, 30, 3), np.uint8)], return_tensors="pt")["pixel_values"]
    assert mixed.shape == (2, 3, 16, 16)
    processor.save_pretrained(tmp_path)
    assert AdaATImageProcessor.from_pretrained(tmp_path).size.height == 16
    assert isinstance(AutoImageProcessor.from_pretrained(tmp_path), AdaATImageProcessor)


def test_postprocess_returns_what_is_asked_for():
    pictures = torch.rand(2, 3, 4, 5)
    assert AdaATImageProcessor.postprocess(pictures, "pt") is pictures
    assert AdaATImageProcessor.postprocess(pictures, "np").shape == (2, 4, 5, 3)
    images = AdaATImageProcessor.postprocess(pictures, "pil")
    assert images[0].size == (5, 4) and abs(np.asarray(images[0])[0, 0, 0] / 255 - pictures[0, 0, 0, 0]) < 0.003
    with pytest.raises(ValueError, match="output_type is 'jpg'"):
        AdaATImageProcessor.postprocess(pictures, "jpg")


def test_keypoints_are_normalised_to_pixel_centres():
    points = torch.tensor([[0.0, 0.0], [255.0, 127.0], [127.5, 63.5]])
    found = AdaATImageProcessor.normalize_keypoints(points, 128, 256)
    torch.testing.assert_close(found, torch.tensor([[-1.0, -1.0], [1.0, 1.0], [0.0, 0.0]]))
