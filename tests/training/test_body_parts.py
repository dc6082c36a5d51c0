"""Labels of bodies' pixels: what is certain without knowing arms, crops that keep them in place, and the loss that they give."""

import numpy as np
import pytest
import torch

from adaat_hf.training.body_parts import (
    ARM,
    BODY,
    EITHER,
    NOTHING,
    UNKNOWN,
    decode_parts,
    encode_parts,
    label_parts,
    parts_loss,
)
from adaat_hf.training.body_scenes import BodyScene
from adaat_hf.training.part_crops import PartCropDataset
from adaat_hf.training.scenes import encode_jpeg


HEIGHT, WIDTH = 256, 176


@pytest.fixture
def body(standing_pose):
    """Somebody who holds the right arm out: 18 points in pixels, and their visibility."""
    points = standing_pose * [WIDTH - 1, HEIGHT - 1]
    points[3], points[4] = points[2] + [-25, 0], points[2] + [-48, 0]
    return np.c_[points, np.ones(18)].astype(np.float32)


def test_only_what_is_certain_is_labelled_as_arm_or_body(body):
    silhouette = np.zeros((HEIGHT, WIDTH), np.float32)
    silhouette[20:240, 10:150] = 1
    silhouette[:, 150:153] = 0.5
    labels = label_parts(silhouette, body)
    at = lambda point: labels[tuple(np.round(point[::-1]).astype(int))]  # noqa: E731
    assert at((body[3, :2] + body[4, :2]) / 2) == ARM, "an arm held out"
    assert at((body[9, :2] + body[10, :2]) / 2) == at(body[0, :2]) == BODY, "legs and head"
    assert at(body[2, :2]) == EITHER, "a shoulder"
    assert labels[5, 5] == NOTHING and labels[100, 151] == UNKNOWN
    nowhere = label_parts(np.zeros((HEIGHT, WIDTH), np.float32), body)
    assert nowhere[tuple(np.round(body[0, 1::-1]).astype(int))] == BODY, (
        "a teacher that loses the head is not believed"
    )
    assert (nowhere == NOTHING).mean() > 0.7
    assert np.array_equal(decode_parts(encode_parts(labels)), labels)


def test_crops_keep_labels_where_the_pixels_are(body):
    parts = label_parts(np.zeros((HEIGHT, WIDTH), np.float32), body)
    parts[parts == EITHER] = BODY
    colours = np.array([[40, 40, 40], [230, 40, 40], [40, 40, 230]], np.uint8)
    boxes = np.array([[*body[:, :2].min(0), *body[:, :2].max(0)]], np.float32)
    scene = BodyScene(encode_jpeg(colours[parts]), boxes, body[None], (encode_parts(parts),))
    dataset = PartCropDataset([scene], 128, 1.35)
    seen, on_body, missing = np.zeros((3, 3)), [], 0
    for number in range(40):
        item = dataset[number]
        assert item["parts"].shape == (64, 64)
        red, _, blue = torch.nn.functional.avg_pool2d(item["pixel_values"], 2).numpy()
        shown = np.where(red > blue + 0.15, BODY, np.where(blue > red + 0.15, ARM, NOTHING))
        for label in (NOTHING, BODY, ARM):
            seen[label] += np.bincount(shown[item["parts"].numpy() == label], minlength=3)
        told = item["visibility"].bool() & (item["points"].abs() < 1).all(1)
        column, row = ((item["points"][told] + 1) * 32).long().clamp(0, 63).T
        on_body += (item["parts"][row, column] != NOTHING).tolist()
        missing += int((item["visibility"] == 0).sum())
    assert 0.8 < np.mean(on_body) < 1 and missing > 0, "points are as wrong as a detector's, but not wrong"
    # Gray pictures, and walls in one of the colours, are among them.
    assert (seen[[BODY, ARM], [BODY, ARM]] / seen[[BODY, ARM]].sum(1) > 0.75).all()


def test_pictures_without_labels_teach_no_parts(body):
    boxes = np.array([[*body[:, :2].min(0), *body[:, :2].max(0)]], np.float32)
    scene = BodyScene(encode_jpeg(np.zeros((HEIGHT, WIDTH, 3), np.uint8)), boxes, body[None])
    with pytest.raises(ValueError, match="None of the 1 pictures has labels of parts"):
        PartCropDataset([scene], 64, 1.35)


def test_the_loss_believes_what_the_labels_say():
    logits = torch.tensor([3.0, 0.0, 1.0]).view(1, 3, 1, 1).expand(1, 3, 2, 2).clone().requires_grad_()
    shares = logits.softmax(1)[0, :, 0, 0]
    for label, share in ((NOTHING, shares[0]), (BODY, shares[1]), (ARM, shares[2]), (EITHER, shares[1] + shares[2])):
        labels = torch.full((1, 2, 2), label)
        labels[0, 0, 0] = UNKNOWN
        torch.testing.assert_close(parts_loss(logits, labels), -share.log())
    nothing = parts_loss(logits, torch.full((1, 2, 2), UNKNOWN))
    nothing.backward()
    assert nothing == 0 and not logits.grad.any()
