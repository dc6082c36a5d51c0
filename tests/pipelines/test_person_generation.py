"""PersonGenerationPipeline with an untrained generator, which returns the moved limbs: real components, drawn persons."""

import json

import numpy as np
import PIL.Image
import pytest
import torch
from conftest import PERSON, draw_person, tiny_config
from red_bodies import RedAndBlue, red_before_green, told_silhouettes

from adaat_hf import (
    AdaATGenerator,
    AdaATImageProcessor,
    AdaATPipeline,
    BodyKeypoints,
    NoPersonError,
    PersonGenerationPipeline,
    PoseError,
)


HEIGHT, WIDTH = 64, 48
COLOURS = np.random.default_rng(3).integers(0, 255, (6, 3))


class DrawnPersons:
    """A detector that knows where persons were drawn, by the size of the picture."""

    def __init__(self, known):
        self.known = known

    def detect(self, frames):
        return [
            [
                BodyKeypoints(points.astype(np.float32), "body18", np.ones(18, np.float32))
                for points in self.known[frame.shape]
            ]
            for frame in frames
        ]


@pytest.fixture(scope="module")
def pipe():
    torch.manual_seed(0)
    generator = AdaATGenerator(tiny_config(**PERSON)).eval()
    pipeline = PersonGenerationPipeline(generator, AdaATImageProcessor(size={"height": HEIGHT, "width": WIDTH}))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def standing(standing_pose):
    return standing_pose * [150, 200] + [60, 10]


@pytest.fixture(scope="module")
def stretched(standing):
    """Both arms to the sides."""
    points = standing.copy()
    points[[3, 4]] = points[2] + np.array([[-25, 2], [-48, 0]])
    points[[6, 7]] = points[5] + np.array([[25, 2], [48, 0]])
    return points


@pytest.fixture(scope="module")
def photo(standing):
    return draw_person(standing, 230, 270, COLOURS)


@pytest.fixture(scope="module")
def detector(standing, stretched, photo):
    return DrawnPersons({photo.shape: [standing], (460, 400, 3): [stretched * 1.4, standing * 0.5], (50, 60, 3): []})


@pytest.fixture(scope="module")
def pose_photo(stretched):
    return draw_person(stretched * 1.4, 460, 400, COLOURS)


def test_a_photograph_lends_its_pose(pipe, photo, pose_photo, detector, stretched):
    result = pipe(photo, pose_photo, detector=detector)
    (image,) = result.images
    assert image.size == (WIDTH, HEIGHT) and result.sources[0].size == (WIDTH, HEIGHT)
    # The forearm's colour is where the pose has its forearm, and the source's forearm is gone.
    forearm = result.keypoints[0, [3, 4]].mean(0).round().astype(int)
    assert np.abs(np.asarray(image)[forearm[1], forearm[0]].astype(int) - COLOURS[1]).max() < 60
    # The pose has the source's size although its photograph is larger.
    zoom = np.ptp(result.keypoints[0, :, 1]) / np.ptp(stretched[:, 1])
    assert zoom < 0.6


def test_many_poses_at_once_and_their_grid(pipe, photo, standing, stretched, detector, tmp_path):
    path = tmp_path / "poses.json"
    path.write_text(json.dumps([standing.tolist(), stretched.tolist()]))
    result = pipe(photo, [standing.tolist(), stretched, str(path)], detector=detector, fit="picture", batch_size=3)
    assert len(result.images) == 4 and result.keypoints.shape == (4, 18, 2)
    assert result.grid().size == (3 * WIDTH, 4 * HEIGHT)
    np.testing.assert_array_equal(np.asarray(result.images[1]), np.asarray(result.images[3]))
    names = result.save(tmp_path / "out.png")
    assert [path.name for path in names] == [f"out_{n:03d}.png" for n in range(4)]
    saved, painted = np.asarray(PIL.Image.open(names[0])), np.asarray(result.images[0])
    assert np.array_equal(saved[: HEIGHT // 2], painted[: HEIGHT // 2]) and not np.array_equal(saved, painted)
    unmarked = pipe(photo, standing, detector=detector, mark=False)
    (name,) = unmarked.save(tmp_path / "plain.png")
    assert np.array_equal(np.asarray(PIL.Image.open(name)), np.asarray(unmarked.images[0]))
    assert PIL.Image.open(result.save_grid(tmp_path / "grid.png")).size == (3 * WIDTH, 4 * HEIGHT)


def test_batches_do_not_change_the_result(pipe, photo, standing, stretched, detector):
    poses = [standing, stretched, stretched + 3]
    one, all_ = (pipe(photo, poses, detector=detector, batch_size=size, output_type="pt").images for size in (1, 3))
    torch.testing.assert_close(one, all_, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("kind", "shape"), [("np", (1, HEIGHT, WIDTH, 3)), ("pt", (1, 3, HEIGHT, WIDTH))])
def test_output_types(pipe, photo, stretched, detector, kind, shape):
    images = pipe(photo, stretched, detector=detector, output_type=kind, return_dict=False)[0]
    assert tuple(images.shape) == shape and 0 <= images.min() and images.max() <= 1


def test_other_sizes_that_the_network_allows(pipe, photo, stretched, detector):
    assert pipe(photo, stretched, detector=detector, height=96, width=40).images[0].size == (40, 96)
    with pytest.raises(ValueError, match="The size is 46x64 .*multiples of 4"):
        pipe(photo, stretched, detector=detector, width=46)


def test_a_framed_picture_is_used_as_it_is(pipe, standing_pose, stretched):
    framed = draw_person(standing_pose * [WIDTH * 2, HEIGHT * 2], HEIGHT * 2, WIDTH * 2, COLOURS)
    result = pipe(framed, standing_pose * [WIDTH * 2, HEIGHT * 2], source_pose=standing_pose * [WIDTH * 2, HEIGHT * 2])
    expected = PIL.Image.fromarray(framed).resize((WIDTH, HEIGHT), PIL.Image.Resampling.BOX)
    assert np.abs(np.asarray(result.sources[0]).astype(int) - np.asarray(expected)).mean() < 6
    np.testing.assert_allclose(result.keypoints[0], standing_pose * [WIDTH, HEIGHT] - 0.25, atol=0.05)


def test_poses_of_a_picture_of_another_scale(pipe, photo, standing, stretched, detector):
    twice = {"keypoints": (stretched * 2 + 0.5).tolist(), "size": [460, 540]}
    scaled = pipe(photo, [as_file(twice)], detector=detector, fit="picture").keypoints
    plain = pipe(photo, stretched, detector=detector, fit="picture").keypoints
    np.testing.assert_allclose(scaled, plain, atol=0.05)
    with pytest.raises(PoseError, match="No point of the pose lies inside the 270x230 picture"):
        pipe(photo, stretched * 10 + 900, detector=detector, fit="picture")


def as_file(content):
    import tempfile
    from pathlib import Path

    path = Path(tempfile.mkdtemp()) / "pose.json"
    path.write_text(json.dumps(content))
    return path


def test_joints_outside_the_picture_are_kept(pipe, photo, stretched, detector):
    beyond = stretched.copy()
    beyond[4] = [-200, 60]
    result = pipe(photo, beyond, detector=detector, fit="picture", crop=False)
    assert result.keypoints[0, 4, 0] < 0 and result.visibility[0, 4] == 1


def test_several_photographs_of_the_person(pipe, photo, standing, stretched, detector):
    other = draw_person(stretched * 1.4, 460, 400, COLOURS)
    result = pipe([photo, other], stretched, detector=detector)
    assert len(result.sources) == 2 and result.grid().size == (4 * WIDTH, HEIGHT)
    single = AdaATGenerator(tiny_config(**PERSON | {"multi_source": False}))
    plain = PersonGenerationPipeline(single, pipe.image_processor)
    with pytest.raises(ValueError, match="There are 2 source pictures, but this network was made for one"):
        plain([photo, other], stretched, detector=detector)
    with pytest.raises(ValueError, match="source_pose must be a list of 2"):
        pipe([photo, other], stretched, detector=detector, source_pose=standing)


def test_the_person_can_be_chosen(pipe, photo, pose_photo, detector):
    largest, second = (
        pipe(photo, pose_photo, detector=detector, pose_person=choice, fit="picture").keypoints for choice in (0, 1)
    )
    assert np.ptp(second[0, :, 1]) < 0.6 * np.ptp(largest[0, :, 1])
    with pytest.raises(NoPersonError, match="Person number 2 was asked for, but the pose picture has 2"):
        pipe(photo, pose_photo, detector=detector, pose_person=2)
    with pytest.raises(ValueError, match="The choice of a person is 'tallest'"):
        pipe(photo, pose_photo, detector=detector, person="tallest")


def test_pictures_without_a_person_are_refused(pipe, photo, stretched, detector):
    empty = np.full((50, 60, 3), 120, np.uint8)
    with pytest.raises(NoPersonError, match="No person was found in the source picture"):
        pipe(empty, stretched, detector=detector)
    with pytest.raises(NoPersonError, match="No person was found in the pose picture"):
        pipe(photo, empty, detector=detector)
    with pytest.raises(PoseError, match="None of the source's points lies inside the 270x230 picture"):
        pipe(photo, stretched, source_pose=stretched + 5000)
    with pytest.raises(ValueError, match="A body detector is needed"):
        pipe(photo, stretched)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fit": "body"}, "fit is 'body', expected one of"),
        ({"output_type": "gif"}, "output_type is 'gif'"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"callback_on_step_end_tensor_inputs": ["latents"]}, "Callbacks can get"),
    ],
)
def test_wrong_arguments_are_refused(pipe, photo, stretched, detector, changes, message):
    with pytest.raises(ValueError, match=message):
        pipe(photo, stretched, detector=detector, **changes)


def test_callbacks_see_every_batch(pipe, photo, standing, stretched, detector):
    seen = []
    pipe(
        photo, [standing, stretched, standing], detector=detector, batch_size=2,
        callback_on_step_end=lambda _, number, done, tensors: seen.append((number, done, tuple(tensors["images"].shape))),
    )  # fmt: skip
    assert seen == [(0, 2, (2, 3, HEIGHT, WIDTH)), (1, 3, (1, 3, HEIGHT, WIDTH))]


def test_saved_pipelines_paint_the_same(pipe, photo, stretched, detector, tmp_path):
    pipe.save_pretrained(tmp_path)
    loaded = AdaATPipeline.from_pretrained(tmp_path)
    assert isinstance(loaded, PersonGenerationPipeline) and loaded.body_landmarker is None
    first, second = (p(photo, stretched, detector=detector, output_type="pt").images for p in (pipe, loaded))
    torch.testing.assert_close(first, second)


def test_generators_for_faces_are_refused():
    with pytest.raises(ValueError, match="made for 96 key points, expected 18"):
        PersonGenerationPipeline(AdaATGenerator(tiny_config()), AdaATImageProcessor())


def test_a_pose_that_rises_above_the_photograph_is_shown_whole(pipe, photo, standing, detector):
    """The photograph ends above the head; raised hands lie beyond it."""
    raised = standing.copy()
    raised[[3, 6], 1] = standing[[2, 5], 1] - 30
    raised[[4, 7], 1] = standing[[2, 5], 1] - 60
    assert (raised[[4, 7], 1] < 0).all()
    result = pipe(photo, raised, fit="picture", source_pose=standing, crop=True)
    assert (result.keypoints[0] >= 0).all() and (result.keypoints[0] < [WIDTH, HEIGHT]).all()


def test_the_pipelines_landmarker_tells_the_body(pipe, standing, stretched, monkeypatch):
    calls = told_silhouettes(monkeypatch)
    telling = PersonGenerationPipeline(pipe.generator, pipe.image_processor, body_landmarker=RedAndBlue())
    telling.set_progress_bar_config(disable=True)
    photo = red_before_green(standing, 300, 260)
    for sources in (1, 2):
        telling(
            [photo] * sources, stretched, source_pose=[standing] * sources if sources > 1 else standing, fit="picture"
        )
        picture, likely = calls[-1]
        assert picture.shape == (sources, 3, HEIGHT, WIDTH) and likely.shape == (sources, 1, HEIGHT, WIDTH)
        red, green = (picture[:, 0] > 0.9) & (picture[:, 1] < 0.1), (picture[:, 1] > 0.9) & (picture[:, 0] < 0.1)
        assert likely[:, 0][red].mean() > 0.9 > 0.1 > likely[:, 0][green].mean()
