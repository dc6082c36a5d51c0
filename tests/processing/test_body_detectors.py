"""Backends for body key points: MediaPipe, ViTPose (with tiny random networks), and how they are opened by name."""

import numpy as np
import pytest
import torch
from red_bodies import RedAndBlue
from transformers import (
    RTDetrConfig,
    RTDetrForObjectDetection,
    RTDetrImageProcessor,
    VitPoseBackboneConfig,
    VitPoseConfig,
    VitPoseForPoseEstimation,
    VitPoseImageProcessor,
)

from adaat_hf import MediaPipeBodyDetector, TorchBodyDetector, VitPoseBodyDetector
from adaat_hf.models.configuration_landmarker import AdaATLandmarkerConfig
from adaat_hf.models.modeling_landmarker import AdaATLandmarker, LandmarkerOutput, cell_positions, heatmap_centres
from adaat_hf.models.parts_network import limb_maps
from adaat_hf.processing.backends import open_body_detector
from adaat_hf.processing.body_keypoints import BODY18
from adaat_hf.processing.landmarks_torch import _Candidate


@pytest.fixture(scope="session")
def exercise(shared):
    """A photograph of a man who raises a dumbbell in front of him."""
    from adaat_hf import load_image

    return load_image(shared / "data" / "people" / "exercise_pairs" / "Dumbbell_Scaption__1.jpg")


def test_mediapipe_finds_the_person(shared, exercise):
    pytest.importorskip("mediapipe")
    detector = MediaPipeBodyDetector(shared / "assets" / "mediapipe" / "pose_landmarker_lite.task")
    frames = np.stack([exercise, np.full_like(exercise, 120)])
    (body,), nobody = detector.detect(frames)
    points, visibility = body.as_body18()
    assert not nobody and visibility.sum() >= 14
    assert points[0, 1] < points[1, 1] < points[8, 1] < points[9, 1] < points[10, 1], "head over hips over feet"
    assert points[2, 0] < points[5, 0], "somebody who faces us has the right shoulder on our left"


def test_mediapipe_refuses_other_files(tmp_path):
    pytest.importorskip("mediapipe")
    with pytest.raises(FileNotFoundError, match="its official address is https"):
        MediaPipeBodyDetector(tmp_path / "none.task")
    (tmp_path / "text.task").write_text("no model")
    with pytest.raises(ValueError, match="cannot be loaded as a MediaPipe pose model"):
        MediaPipeBodyDetector(tmp_path / "text.task")


@pytest.fixture(scope="module")
def vitpose_folders(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("vitpose")
    backbone = VitPoseBackboneConfig(
        image_size=[64, 48], patch_size=[16, 16], hidden_size=16, num_hidden_layers=1, num_attention_heads=2, out_indices=[1],
    )  # fmt: skip
    pose = VitPoseForPoseEstimation(VitPoseConfig(backbone_config=backbone, use_simple_decoder=True, num_labels=17))
    pose.save_pretrained(folder / "pose")
    VitPoseImageProcessor(size={"height": 64, "width": 48}).save_pretrained(folder / "pose")
    config = RTDetrConfig(
        d_model=32, encoder_hidden_dim=32, encoder_in_channels=[32, 64], feat_strides=[16, 32], encode_proj_layers=[1],
        encoder_ffn_dim=32, encoder_attention_heads=2, decoder_layers=1, decoder_ffn_dim=32, decoder_attention_heads=2,
        decoder_in_channels=[32, 32], num_feature_levels=2, decoder_n_points=2, num_queries=5, num_denoising=0, id2label={0: "Person", 1: "dog"},
        backbone_config={"model_type": "rt_detr_resnet", "embedding_size": 8, "hidden_sizes": [8, 16, 32, 64], "depths": [1, 1, 1, 1], "layer_type": "basic", "out_features": ["stage3", "stage4"]},
    )  # fmt: skip
    RTDetrForObjectDetection(config).save_pretrained(folder / "person")
    RTDetrImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder / "person")
    return folder


def test_vitpose_runs_from_saved_folders(vitpose_folders):
    detector = VitPoseBodyDetector.from_pretrained(
        str(vitpose_folders / "pose"), str(vitpose_folders / "person"), threshold=0.0, max_bodies=2
    )
    # Random networks believe nothing; the point is that every box yields joints in the picture's pixels.
    boxes = [np.array([[10.0, 20, 60, 90], [0, 0, 40, 50]]), np.zeros((0, 4)), np.array([[5.0, 5, 30, 60]])]
    detector._persons = lambda frames: boxes
    detector.pose_model.head.conv.bias.data.fill_(1.0)
    first, nobody, third = detector.detect(np.random.default_rng(0).integers(0, 255, (3, 120, 100, 3), np.uint8))
    assert [len(first), len(nobody), len(third)] == [2, 0, 1]
    assert first[0].layout == "coco17" and first[0].points.shape == (17, 2) and first[0].size >= first[1].size
    points, _ = third[0].as_body18()
    assert (points > -20).all() and (points < 120).all()


def test_vitpose_keeps_persons_only(vitpose_folders):
    detector = VitPoseBodyDetector.from_pretrained(
        str(vitpose_folders / "pose"), str(vitpose_folders / "person"), threshold=0.0, max_bodies=3
    )
    (found,) = detector._persons(np.zeros((1, 80, 60, 3), np.uint8))
    assert found.shape[1] == 4 and len(found) <= 3
    assert (np.diff(found[:, 2:].max(1)) <= 0).all(), "the largest first"
    detector.person_label = 7
    assert len(detector._persons(np.zeros((1, 80, 60, 3), np.uint8))[0]) == 0


def test_a_detector_without_persons_is_refused(vitpose_folders):
    model = RTDetrForObjectDetection.from_pretrained(vitpose_folders / "person")
    model.config.id2label = {0: "cat", 1: "dog"}
    with pytest.raises(ValueError, match="The detector knows .*cat.*, expected a label 'person'"):
        VitPoseBodyDetector(None, None, model, None)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="There is no landmark detector 'none'"):
        open_body_detector("none")
    with pytest.raises(ValueError, match="predicts 'face96', expected one of .*body18"):
        open_body_detector("src/adaat_hf/bundled/face/landmarker")


def test_bodies_in_rough_squares_are_framed_look_by_look(standing_pose, monkeypatch):
    """As if the network erred in proportion to how far its square is from the body's own."""
    model = AdaATLandmarker(
        AdaATLandmarkerConfig(layout="body18", num_keypoints=18, visibility=True, crop_margin=1.35)
    )
    detector = TorchBodyDetector(model)
    truth = (standing_pose * [90, 130] + [40, 15]).astype(np.float32)
    middle = (truth.min(0) + truth.max(0)) / 2
    squares, looks = [], []

    def predict(frames, candidates, judge):
        squares.extend(candidates)
        looks.append(judge)
        off = np.array([[c.x, c.y] - middle for c in candidates], np.float32)
        return truth + 0.4 * off[:, None], np.ones((len(candidates), 18), np.float32), np.full(len(candidates), 0.9)

    monkeypatch.setattr(detector, "_predict", predict)
    monkeypatch.setattr(detector, "_candidates", lambda frames, size: [_Candidate(0, *(middle + 40), 200.0)])
    ((body,),) = detector.detect(np.zeros((1, 160, 170, 3), np.uint8))
    assert [round(square.x - middle[0]) for square in squares] == [40, 16, 6]
    assert looks == [detector._judge] * 3
    (near,) = detector.detect_near(np.zeros((1, 160, 170, 3), np.uint8), body)
    assert near is not None and looks[3:] == [detector._glance, detector._judge], "what was just seen needs less"
    assert np.abs(body.points - truth).max() < 3
    assert squares[-1].side == pytest.approx(1.35 * np.ptp(truth, axis=0).max(), rel=0.01)


def test_a_mirrored_picture_gives_the_mirrored_body():
    torch.manual_seed(0)
    model = AdaATLandmarker(AdaATLandmarkerConfig(layout="body18", num_keypoints=18, visibility=True, crop_size=64))
    detector = TorchBodyDetector(model)
    frame = np.random.default_rng(0).integers(0, 255, (1, 64, 64, 3)).astype(np.uint8)
    square = [_Candidate(0, 31.5, 31.5, 64.0)]
    with torch.no_grad():
        points, seen, presence = detector._predict(frame, square, detector._judge)
        turned = np.ascontiguousarray(frame[:, :, ::-1])
        mirrored, other_seen, other_presence = detector._predict(turned, square, detector._judge)
    np.testing.assert_allclose(BODY18.flip(mirrored[0], 64), points[0], atol=1e-3)
    assert np.array_equal(other_seen[0, list(BODY18.mirror)], seen[0])
    assert other_presence == pytest.approx(presence)


def test_a_place_counts_that_a_crop_and_its_mirror_image_both_find_likely(monkeypatch):
    """Each sees a point in a place of its own and, nearly as surely, in the same one: that is it, not the middle of all."""
    model = AdaATLandmarker(AdaATLandmarkerConfig(layout="body18", num_keypoints=18, visibility=True, crop_size=64))
    detector, cells = TorchBodyDetector(model), 16
    common, alone = (5, 4), ((5, 13), (12, 6))

    def maps(places: list[tuple[int, int]]) -> torch.Tensor:
        logits = torch.zeros(1, 18, cells, cells)
        for (column, row), value in zip(places, (12.0, 13.0), strict=True):
            logits[..., row, column] = value
        return logits

    def answer(heatmaps: torch.Tensor) -> LandmarkerOutput:
        unsure = torch.zeros(1)
        return LandmarkerOutput(heatmap_centres(heatmaps), unsure, heatmaps, torch.ones(1, 18))

    here, there = maps([common, alone[0]]), maps([common, alone[1]]).flip(-1)
    answers = iter([answer(here), answer(there)])
    monkeypatch.setattr(model, "forward", lambda crops: next(answers))
    points, _, _ = detector._judge(torch.zeros(1, 3, 64, 64))
    wanted = cell_positions(cells, torch.device("cpu"))[list(common)]
    torch.testing.assert_close(points, wanted.expand(1, 18, 2), atol=0.02, rtol=0)


def test_mediapipe_tells_the_silhouette_if_asked(shared, exercise):
    pytest.importorskip("mediapipe")
    file = shared / "assets" / "mediapipe" / "pose_landmarker_lite.task"
    ((body,),) = MediaPipeBodyDetector(file, silhouettes=True).detect(exercise[None])
    assert body.silhouette.shape == exercise.shape[:2] and 0 <= body.silhouette.min() < body.silhouette.max() <= 1
    points, visibility = body.as_body18()
    trunk = points[[2, 5, 8, 11]].mean(0).round().astype(int)
    assert (
        visibility[[2, 5, 8, 11]].all()
        and body.silhouette[trunk[1], trunk[0]] > 0.9 > 0.1 > body.silhouette[:5, :5].max()
    )
    ((plain,),) = MediaPipeBodyDetector(file).detect(exercise[None])
    assert plain.silhouette is None


@pytest.mark.parametrize("turned", [0, 1])
def test_parts_come_back_to_the_pixels_that_show_them(standing_pose, turned):
    points = (standing_pose * [175, 255] + [60, 30]).astype(np.float32)
    picture = np.zeros((330, 300, 3), np.uint8)
    picture[..., 1] = 255
    low, high = points.min(0).astype(int), points.max(0).astype(int)
    picture[low[1] : high[1], low[0] : high[0]] = (255, 0, 0)
    picture[low[1] : high[1], low[0] : low[0] + 20] = (0, 0, 255)
    visibility = np.ones(18, np.float32)
    if turned:
        picture = np.ascontiguousarray(np.rot90(picture))
        points = np.c_[points[:, 1], 299 - points[:, 0]].astype(np.float32)
    points[4], visibility[4] = 0, 0
    parts = TorchBodyDetector(RedAndBlue()).find_parts(picture, points, visibility)
    assert parts.shape == picture.shape and parts.dtype == np.uint8
    wanted = picture[..., [1, 0, 2]]
    assert (parts.argmax(-1) == wanted.argmax(-1)).mean() > 0.97
    if not turned:
        assert tuple(parts[-1, -1]) == (128, 127, 0), "nothing is said of what is far from the body"
    assert (parts[wanted[..., 1] > 0][:, 1] > 200).mean() > 0.9


def test_a_landmarker_tells_parts_only_if_it_can(standing_pose):
    settings = {"layout": "body18", "num_keypoints": 18, "crop_size": 64, "channels": (8, 8, 8)}
    crops, points, seen = torch.rand(2, 3, 64, 64), torch.from_numpy(standing_pose).float() * 2 - 1, torch.ones(2, 18)
    able = AdaATLandmarker(AdaATLandmarkerConfig(**settings, parts=True)).eval()
    assert able.tell_parts(crops, points.expand(2, -1, -1), seen).shape == (2, 3, 32, 32)
    unable = AdaATLandmarker(AdaATLandmarkerConfig(**settings)).eval()
    with pytest.raises(ValueError, match=r"config\.parts is False, expected True"):
        unable.tell_parts(crops, points.expand(2, -1, -1), seen)
    assert not any("parts" in name for name in unable.state_dict())
    with pytest.raises(Exception, match="parts is True with layout 'face96', expected 'body18'"):
        AdaATLandmarkerConfig(parts=True)


def test_the_network_for_parts_is_told_which_body_is_meant(standing_pose):
    maps = limb_maps(torch.from_numpy(standing_pose)[None].float() * 2 - 1, torch.ones(1, 18), 64)
    assert maps.shape == (1, 4, 64, 64) and maps.min() >= 0 and maps.max() <= 1
    at = lambda point: maps[0, :, int(point[1] * 64), int(point[0] * 64)]  # noqa: E731
    hips, knee, elbow = standing_pose[[8, 11]].mean(0), standing_pose[9], standing_pose[3]
    assert at(hips)[0] > 0.9 and at(knee)[2] > 0.9 and at(elbow)[3] > 0.9 and at(standing_pose[0])[1] > 0.7
    assert at(knee)[3] < 0.5 and at(elbow)[2] < 0.1
    without_arms = torch.ones(1, 18)
    without_arms[:, [3, 4, 6, 7]] = 0
    less = limb_maps(torch.from_numpy(standing_pose)[None].float() * 2 - 1, without_arms, 64)
    assert less[:, 3].max() == 0 and less[:, 2].max() > 0.9


def test_ears_on_a_shoulder_do_not_count(standing_pose):
    config = AdaATLandmarkerConfig(layout="body18", num_keypoints=18, crop_size=64, channels=(8, 8, 8))
    detector = TorchBodyDetector(AdaATLandmarker(config))
    points, seen = (standing_pose * [176, 256]).astype(np.float32), np.ones(18, np.float32)
    assert detector._result(points, seen, 1.0).visibility.all()
    points[17] = points[5] + [3, -4]
    found = detector._result(points, seen, 1.0)
    assert found.visibility[17] == 0 and found.visibility[:17].all() and seen.all()
