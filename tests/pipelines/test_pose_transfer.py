"""PoseTransferPipeline with an untrained generator, which returns the moved limbs: real components, drawn persons."""

import logging
import re
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest
import torch
from conftest import PERSON, draw_person, tiny_config
from red_bodies import RedAndBlue, red_before_green, told_silhouettes
from sounds import tone, write_sound

from adaat_hf import (
    AdaATGenerator,
    AdaATImageProcessor,
    BodyKeypoints,
    BodyMotionTemplate,
    NoPersonError,
    PoseError,
    PoseTransferPipeline,
    VideoReader,
    VideoWriter,
)
from adaat_hf.control.body_fitting import BodyFitSettings, BodyFitter
from adaat_hf.control.body_retargeting import stature
from adaat_hf.evaluation.body_motion import random_motion
from adaat_hf.pipelines.body_warnings import warn_if_seen_from_another_side
from adaat_hf.processing.person_crop import PersonBox
from adaat_hf.processing.person_paste import PersonCanvas


SIZE = (300, 260)
COLOURS = np.random.default_rng(3).integers(0, 255, (6, 3))


class KnownPersons:
    """A detector that knows, from a picture's first pixel, which poses were drawn."""

    def __init__(self, poses):
        self.poses = poses

    def detect(self, frames):
        return [
            [BodyKeypoints(p, "body18", np.ones(18, np.float32)) for p in self.poses[f[0, 0, 0] // 10]] for f in frames
        ]


@pytest.fixture(scope="module")
def pipe(body_model):
    torch.manual_seed(0)
    generator = AdaATGenerator(tiny_config(**PERSON)).eval()
    pipeline = PoseTransferPipeline(generator, AdaATImageProcessor(size={"height": 64, "width": 48}), body_model)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module", autouse=True)
def quick_fits():
    """Fewer steps of the optimiser than users get."""
    previous = BodyFitter.__init__.__defaults__
    BodyFitter.__init__.__defaults__ = (BodyFitSettings(start_steps=25, steps=40, starts=4),)
    yield
    BodyFitter.__init__.__defaults__ = previous


@pytest.fixture(scope="module")
def standing(standing_pose):
    return (standing_pose * [170, 230] + [45, 20]).astype(np.float32)


@pytest.fixture(scope="module")
def waving(standing):
    """Ten frames in which the right arm (on the left of the picture) goes up."""
    frames = []
    for number in range(10):
        points, angle = standing.copy(), np.deg2rad(80 - 15 * number)
        arm = np.array([-np.cos(angle), np.sin(angle)])
        points[3], points[4] = points[2] + 32 * arm, points[2] + 62 * arm
        frames.append(points.astype(np.float32))
    return frames


@pytest.fixture(scope="module")
def photo(standing):
    picture = draw_person(standing, *SIZE, COLOURS)
    picture[0, 0] = 0
    return picture


@pytest.fixture(scope="module")
def detector(standing, waving):
    return KnownPersons({0: [standing], 1: [], **{2 + number: [pose] for number, pose in enumerate(waving)}})


def frame(number, empty=False):
    """A driver's frame, of another size than the photograph."""
    picture = np.full((280, 240, 3), 120, np.uint8)
    picture[0, 0] = 10 if empty else 20 + 10 * number
    return picture


@pytest.fixture(scope="module")
def clip():
    return [frame(number) for number in range(10)]


def test_the_arm_goes_up_where_the_person_stands(pipe, photo, clip, detector, standing):
    result = pipe(photo, clip, detector=detector)
    assert len(result.frames) == 10 and result.frames[0].size == (SIZE[1], SIZE[0])
    frames = np.stack([np.asarray(shown) for shown in result.frames]).astype(float)
    forearm = COLOURS[1]

    def nearest(picture):
        apart = np.abs(picture - forearm).sum(-1)
        rows, columns = np.nonzero(apart < 60)
        left = columns < standing[2, 0] - 3
        return rows[left].mean()

    assert nearest(frames[-1]) < nearest(frames[0]) - 40, "the arm on the left of the picture rises"
    feet = np.s_[int(standing[10, 1]) - 15 : int(standing[10, 1]), 90:170]
    assert np.abs(frames[:, feet[0], feet[1]] - photo[feet]).mean() < 30, "the feet stay"
    assert np.abs(frames[:, :, -12:] - photo[:, -12:]).max() <= 2, "the photograph beyond the person is untouched"
    assert "person" not in str(result.statistics)


def test_frames_without_a_person_follow_the_policy(pipe, photo, clip, detector):
    broken = [frame(0, empty=True) if number in (3, 4) else shown for number, shown in enumerate(clip)]
    held = pipe(photo, broken, detector=detector)
    assert held.statistics.frames_without_face == (3, 4) and "2 without a person (hold)" in str(held.statistics)
    shown = [np.asarray(picture).astype(int) for picture in held.frames]
    assert len(shown) == 10 and np.abs(shown[3] - shown[2]).max() <= 1
    skipped = pipe(photo, broken, detector=detector, frame_policy="skip")
    assert np.abs(np.asarray(skipped.frames[3]).astype(int) - photo).mean() < 1
    with pytest.raises(NoPersonError, match="no person in 2 frames: 3, 4"):
        pipe(photo, broken, detector=detector, frame_policy="raise")


def test_a_video_keeps_its_sound_rate_and_length(pipe, photo, detector, tmp_path, clip):
    sound = write_sound(tmp_path / "tone.mp4", tone(0.5), 16_000, "aac")
    with VideoWriter(tmp_path / "dance.mp4", 20, 240, 280, sound_from=sound, crf=1) as writer:
        for picture in clip:
            picture = picture.copy()
            picture[:8, :8] = picture[0, 0]
            writer.write(picture)

    class Rounded(KnownPersons):
        def detect(self, frames):
            marks = np.round(frames[:, 2, 2, 0] / 10).astype(int)
            return [[BodyKeypoints(p, "body18", np.ones(18, np.float32)) for p in self.poses[m]] for m in marks]

    marked = photo.copy()
    marked[:8, :8] = 0
    result = pipe(marked, tmp_path / "dance.mp4", detector=Rounded(detector.poses), output=tmp_path / "out.mp4")
    written = VideoReader(tmp_path / "out.mp4")
    assert written.has_sound and written.fps == 20 and len(list(written)) == 10
    assert result.path == tmp_path / "out.mp4" and len(result.frames) == 10


def test_key_points_templates_and_smpl_sequences_drive_too(pipe, photo, detector, waving, tmp_path):
    np.savez(tmp_path / "wave.npz", points=np.stack(waving), fps=10.0)
    template = pipe.motion_template(tmp_path / "wave.npz")
    direct = pipe(photo, tmp_path / "wave.npz", detector=detector)
    assert direct.fps == 10
    path = template.save(tmp_path / "wave.safetensors")
    again = pipe(photo, path, detector=detector)
    difference = np.abs(np.asarray(direct.frames[9]).astype(int) - np.asarray(again.frames[9]).astype(int))
    assert difference.mean() < 0.5
    poses = np.zeros((24, 72), np.float32)
    poses[:, 0] = np.pi / 2
    np.savez(tmp_path / "walk.npz", poses=poses, trans=np.zeros((24, 3)), mocap_framerate=120.0)
    assert len(pipe(photo, tmp_path / "walk.npz", detector=detector).frames) == 6, "120 frames per second become 30"


def test_absolute_placement_follows_the_drivers_picture(pipe, photo, detector, waving, body_model, tmp_path):
    moved = np.stack(waving) * 0.5 + [120, 100]
    np.savez(tmp_path / "small.npz", points=moved, size=np.array(SIZE))
    template = pipe.motion_template(tmp_path / "small.npz")
    assert stature(body_model, template.coefficients) > 0
    result = pipe(photo, tmp_path / "small.npz", detector=detector, placement="absolute")
    changed = np.abs(np.asarray(result.frames[5]).astype(int) - photo).sum(-1) > 60
    trunk = moved[5, [2, 5, 8, 11]].mean(0).astype(int)
    assert changed[trunk[1] - 5 : trunk[1] + 5, trunk[0] - 5 : trunk[0] + 5].mean() > 0.8
    bare = BodyMotionTemplate(template.coefficients, 25.0)
    with pytest.raises(ValueError, match="needs a driver with a picture"):
        pipe(photo, bare, detector=detector, placement="absolute")


def test_output_types_crops_and_several_sources(pipe, photo, clip, detector):
    arrays = pipe(photo, clip[:2], detector=detector, output_type="np").frames
    assert arrays.shape == (2, *SIZE, 3) and 0 <= arrays.min() and arrays.max() <= 1
    crop = pipe(photo, clip[:2], detector=detector, crop_only=True).frames[0]
    assert crop.height > 64, "as large as the photograph has detail for"
    both = pipe([photo, photo], clip[:2], detector=detector)
    assert len(both.frames) == 2
    seen = []
    pipe(
        photo,
        clip[:3],
        detector=detector,
        batch_size=2,
        callback_on_step_end=lambda p, n, done, t: seen.append((n, done, t["images"].shape[0])),
    )
    assert seen == [(0, 2, 2), (1, 3, 1)]


def test_detail_of_a_large_photograph_is_kept(pipe, photo, standing, clip, waving, monkeypatch):
    large = np.asarray(PIL.Image.fromarray(photo).resize((780, 900), PIL.Image.NEAREST)).copy()
    stripes = np.arange(310, 390) // 8 % 2 == 0  # on the trunk, finer than the pixels of the network's picture
    large[310:390][stripes, 330:450] = 255 - large[310:390][stripes, 330:450]
    large[0, 0] = 0
    poses = {0: [(standing * 3).astype(np.float32)], **{2 + n: [p] for n, p in enumerate(waving)}}

    def contrast():
        frame = pipe(large, clip[-2:], detector=KnownPersons(poses), max_size=None).frames[0]
        rows = np.asarray(frame).astype(float)[302:398, 380:410].mean((1, 2))
        return (rows[8:-8] - np.convolve(rows, np.full(17, 1 / 17), "valid")).std()

    with_detail = contrast()
    monkeypatch.setattr("adaat_hf.pipelines.moving_person.LARGEST_DETAIL", 1.0)
    assert with_detail > 10 and with_detail > 4 * contrast()


def test_bad_requests_end_before_anything_expensive(pipe, photo, clip, detector, tmp_path):
    for options, message in (
        ({"placement": "above"}, "placement is 'above', expected one of"),
        ({"frame_policy": "loop"}, "frame_policy is 'loop'"),
        ({"height": 62}, "height is 62, expected a multiple of 4"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"output_type": "gif"}, "output_type is 'gif'"),
        ({"output": tmp_path / "no" / "out.mp4"}, "does not exist"),
        ({"reference": 99}, "reference is 99, but the driver has 10 frames"),
    ):
        with pytest.raises(ValueError, match=message):
            pipe(photo, clip, detector=detector, **options)
    with pytest.raises(ValueError, match="no body_landmarker component|A body detector is needed"):
        pipe(photo, clip)


def test_pictures_without_a_usable_person_are_refused(pipe, photo, clip, detector, standing):
    blank = photo.copy()
    blank[0, 0] = 10
    with pytest.raises(NoPersonError, match="No person was found in the source picture"):
        pipe(blank, clip, detector=detector)
    with pytest.raises(NoPersonError, match="None of the driver's 2 frames shows a person"):
        pipe(photo, [frame(0, empty=True)] * 2, detector=detector)
    few = [[float(x), float(y)] if number < 4 else None for number, (x, y) in enumerate(standing)]
    with pytest.raises(NoPersonError, match="source picture shows too little of a person"):
        pipe(photo, clip, detector=detector, source_pose=few)
    with pytest.raises(PoseError, match="21 points"):
        pipe(photo, clip, detector=detector, source_pose=np.ones((21, 2)).tolist())


def test_a_cut_off_person_moves_with_the_trunk(pipe, photo, detector, standing):
    """Cut at the waist, the person goes sideways as the driver does, and does not rise out of the photograph."""
    height = int(standing[8, 1]) - 20
    half = np.ascontiguousarray(photo[:height])
    half[0, 0] = 0
    steps = [standing + np.array([30 * n / 4, -25 * n / 4], np.float32) for n in range(5)]
    result = pipe(half, np.stack(steps), detector=detector)
    assert result.frames[0].size == (SIZE[1], height)
    shirts = [np.abs(np.asarray(shown).astype(int) - COLOURS[0]).sum(-1) < 60 for shown in result.frames]
    places = [np.nonzero(shirt)[1].mean() for shirt in shirts]
    assert places[-1] - places[0] == pytest.approx(30, abs=6)
    assert all(shirt[-3:].any() for shirt in shirts), "no gap between the person and the border"
    assert shirts[-1].sum() > 0.8 * shirts[0].sum()


def test_a_mirrored_driver_moves_the_other_arm(pipe, photo, detector, waving, standing):
    order = [0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16]
    mirrored = (np.stack(waving)[:, order] * [-1, 1] + [260, 0]).astype(np.float32)
    right = np.asarray(pipe(photo, np.stack(waving), detector=detector).frames[-1]).astype(int)
    left = np.asarray(pipe(photo, mirrored, detector=detector).frames[-1]).astype(int)
    middle = int(standing[1, 0])
    above = np.s_[: int(standing[2, 1]) - 5]
    changed = [np.abs(shown - photo)[above].sum(-1) > 60 for shown in (right, left)]
    assert changed[0][:, : middle - 20].sum() > 3 * changed[0][:, middle + 20 :].sum()
    assert changed[1][:, middle + 20 :].sum() > 3 * changed[1][:, : middle - 20].sum()


def test_an_upside_down_driver_is_noticed(pipe, photo, detector, waving, caplog):
    with caplog.at_level(logging.WARNING):
        pipe(photo, 280 - np.stack(waving), detector=detector)
    assert "upside down in most frames" in caplog.text
    caplog.clear()
    pipe(photo, np.stack(waving), detector=detector)
    assert "upside down" not in caplog.text


def test_key_points_that_form_no_body_are_noticed(pipe, photo, clip, detector, standing, waving, caplog):
    random = np.random.default_rng(0)
    mistaken = [random.permuted(pose, axis=0) if number in (3, 4) else pose for number, pose in enumerate(waving)]
    with caplog.at_level(logging.WARNING):
        pipe(photo, clip, detector=KnownPersons({0: [standing], **dict(enumerate(([m] for m in mistaken), 2))}))
    assert re.search("In [2-4]0% of the driver.s frames the key points do not form a body", caplog.text)
    assert "source picture" not in caplog.text
    caplog.clear()
    pipe(photo, clip, detector=detector)
    assert "do not form a body" not in caplog.text
    pipe(photo, np.stack(waving[:1]), detector=KnownPersons({0: [mistaken[3]]}))
    assert "The key points in source picture 1 of 1 do not form a body" in caplog.text


def test_a_driver_who_shows_another_side_than_the_photograph_is_noticed(pipe, photo, detector, body_model, caplog):
    motion = random_motion(body_model, 4, np.random.default_rng(0), facing=0.1)
    away = motion.pose.clone()
    away[:, 0] = torch.tensor([0.0, 2.6, 0.0])
    turned = replace(motion, pose=away)
    bowed = motion.pose.clone()
    bowed[:, [3, 6, 9], 0] += 0.5
    for driving, noticed in ((motion, False), (turned, True), (replace(motion, pose=bowed), True)):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            pipe(photo, BodyMotionTemplate(driving, 25.0, (280, 200)), detector=detector)
        assert ("from another side" in caplog.text) == noticed
    caplog.clear()
    both = replace(motion, pose=torch.stack([motion.pose[0], away[0], *motion.pose[2:]]))
    warn_if_seen_from_another_side(both, turned)
    assert not caplog.text, "a second photograph shows it"


def test_a_crop_is_laid_in_softly_and_only_there():
    picture = np.full((100, 80, 3), 50, np.uint8)
    canvas = PersonCanvas(picture, PersonBox(20, -5, 40, 60))
    result = canvas.compose(np.full((30, 20, 3), 200, np.uint8))
    assert (result[60:] == 50).all() and (result[:, :19] == 50).all() and (result[:, 62:] == 50).all()
    assert (result[:30, 30:50] == 200).all(), "no fading at the photograph's own border"
    assert 50 < result[30, 21, 0] < 200
    assert (picture == 50).all()
    outside = PersonCanvas(picture, PersonBox(200, 0, 40, 60))
    assert (outside.compose(np.zeros((30, 20, 3), np.uint8)) == 50).all()


@pytest.mark.parametrize("change", [{"prewarp": False}, {"num_keypoints": 96}])
def test_a_generator_that_does_not_move_limbs_is_refused(body_model, change):
    settings = {**PERSON, **change}
    if "num_keypoints" in change:
        settings["prewarp_kind"] = "spline"
    generator = AdaATGenerator(tiny_config(**settings))
    with pytest.raises(ValueError, match=r"expected 18|expected one that moves limbs"):
        PoseTransferPipeline(generator, AdaATImageProcessor(size={"height": 64, "width": 48}), body_model)


def test_the_pipelines_landmarker_tells_the_body_whatever_detector_finds_it(
    pipe, standing, clip, body_model, monkeypatch
):
    calls = told_silhouettes(monkeypatch)
    photo = red_before_green(standing, *SIZE)
    photo[0, 0] = 0
    detector = KnownPersons({0: [standing], **{2 + n: [standing] for n in range(10)}})
    telling = PoseTransferPipeline(pipe.generator, pipe.image_processor, body_model, body_landmarker=RedAndBlue())
    telling.set_progress_bar_config(disable=True)
    telling(photo, clip[:2], detector=detector, max_size=None)
    assert [picture.shape[2] > 64 for picture, _ in calls] == [False, True], (
        "at the network's size and at the photograph's"
    )
    for picture, likely in calls:
        red = (picture[:, :1] > 0.9) & (picture[:, 1:2] < 0.1)
        green = (picture[:, 1:2] > 0.9) & (picture[:, :1] < 0.1)
        assert likely[red].mean() > 0.9 > 0.1 > likely[green].mean()
    pipe(photo, clip[:2], detector=detector)
    assert calls[-1][1] is None, "without a landmarker"
