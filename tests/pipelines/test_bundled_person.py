"""The bundled person checkpoint on photographs of people that it was not trained on."""

import numpy as np
import pytest
from conftest import ROOT

from adaat_hf import AdaATPipeline, MediaPipeBodyDetector, TorchBodyDetector, load_image
from adaat_hf.evaluation.landmark_agreement import body_error, compare_detectors
from adaat_hf.training.people import People


@pytest.fixture(scope="module")
def photographs(shared):
    """Files of the held-out people, in which one person stands."""
    people = People.from_yaml(ROOT / "scripts" / "configs" / "exercise_people.yaml")
    names = [name for name, subject in people.subjects.items() if subject in people.held_out]
    folder = shared / "data" / "people" / "exercise_pairs"
    return {name: [folder / f"{name}__{number}.jpg" for number in (0, 1)] for name in sorted(names)}


@pytest.fixture(scope="module")
def pipe():
    pipeline = AdaATPipeline.from_pretrained("bundled/person")
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def teacher(shared):
    pytest.importorskip("mediapipe")
    return MediaPipeBodyDetector(shared / "assets" / "mediapipe" / "pose_landmarker_full.task")


@pytest.mark.slow
def test_the_bundled_detector_agrees_with_mediapipe(photographs, pipe, teacher):
    pictures = (load_image(pair[0]) for pair in list(photographs.values())[::2])
    summary = compare_detectors(pictures, TorchBodyDetector(pipe.body_landmarker), teacher, body_error).summary()
    assert summary["count"] > 20
    assert summary["error_median"] < 0.2 and summary["lost"] < 0.18, summary


@pytest.mark.slow
def test_people_take_over_each_others_poses(photographs, pipe, teacher):
    """The painted person stands as asked, by the judgement of a detector that had no part in it."""
    names = [name for name in photographs if len(teacher.detect(load_image(photographs[name][0])[None])[0]) == 1]
    distances = []
    for source, pose in zip(names[:6], names[10:16], strict=True):
        result = pipe(photographs[source][0], photographs[pose][1], detector=teacher)
        painted = teacher.detect(np.asarray(result.images[0])[None])[0]
        if painted:
            points, seen = painted[0].as_body18()
            both = (seen > 0) & (result.visibility[0] > 0)
            distances.append(np.linalg.norm(points - result.keypoints[0], axis=-1)[both].mean())
    assert len(distances) >= 4, "a person is recognised in most of them"
    assert np.median(distances) < 20, "pixels of 256"


def test_no_person_is_found_in_a_room(pipe):
    rng = np.random.default_rng(0)
    walls = np.linspace(90, 160, 300)[None, :, None] + rng.normal(0, 4, (240, 300, 3))
    frames = np.stack([walls.clip(0, 255), np.full((240, 300, 3), 128)]).astype(np.uint8)
    assert TorchBodyDetector(pipe.body_landmarker).detect(frames) == [[], []]
