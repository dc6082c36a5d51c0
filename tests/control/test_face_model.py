"""The bundled face model: its points lie on a face, and move as a face does."""

import torch

from adaat_hf import ARKIT_EXPRESSIONS
from adaat_hf.processing.keypoints import EYES, FACE96, MOUTH


def test_points_are_symmetric_and_lie_on_the_surface(face_model):
    mean = face_model.mean.float()
    mirrored = mean[list(FACE96.mirror)] * torch.tensor([-1.0, 1, 1])
    assert torch.allclose(mean, mirrored, atol=3e-3)
    assert mean[MOUTH, 2].max() < mean[EYES, 2].mean(), "lips lie before the eyes, not inside the mouth"


def test_inner_lips_stay_between_the_outer_lips(face_model):
    """Also in wide mouths: corners of the inner lips next to those of the outer lips, upper above lower."""
    for name in ("jawOpen", "mouthFunnel", "mouthPucker", "mouthSmileLeft", "mouthStretchRight"):
        expression = torch.zeros(2, len(ARKIT_EXPRESSIONS))
        expression[1, ARKIT_EXPRESSIONS.index(name)] = 0.8
        for points in face_model.shape(torch.zeros(2, 60), expression):
            width = points[54, 0] - points[48, 0]
            assert points[48, 0] < points[60, 0] < points[61, 0] < points[63, 0] < points[64, 0] < points[54, 0], name
            for outer, inner in ((48, 60), (54, 64)):
                assert (points[outer] - points[inner]).norm() < 0.12 * width, name
