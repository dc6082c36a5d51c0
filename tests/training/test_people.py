"""Photographs to pairs: whole subjects are held out, unusable pairs are left out with a reason."""

import numpy as np
import PIL.Image
import pytest
from conftest import ROOT, draw_person

from adaat_hf import BodyKeypoints
from adaat_hf.processing.images import load_image
from adaat_hf.training.image_pairs import read_pairs
from adaat_hf.training.people import People, prepare_people


class Drawn:
    """A detector that knows what was drawn."""

    def __init__(self):
        self.known = {}

    def detect(self, frames):
        return [self.known[frame.tobytes()] for frame in frames]


def body(points, seen=18):
    visibility = np.ones(18, np.float32)
    visibility[seen:] = 0
    return BodyKeypoints(points.astype(np.float32), "body18", visibility)


@pytest.fixture
def photographs(tmp_path, standing_pose):
    folder, detector = tmp_path / "photographs", Drawn()
    folder.mkdir()
    random = np.random.default_rng(0)

    def add(name, *, size=(240, 300), bodies=1, seen=18, scale=200, shift=(80, 20)):
        for number in range(2):
            points = (standing_pose + random.normal(0, 0.01, (18, 2))) * [scale * 0.69, scale] + list(shift)
            picture = draw_person(points, *size, random.integers(0, 255, (6, 3)))
            PIL.Image.fromarray(picture).save(folder / f"{name}__{number}.png")
            detector.known[picture.tobytes()] = [body(points, seen)] * bodies

    add("walk")
    add("run", shift=(10, 20))
    add("jump")
    add("crowd", bodies=2)
    add("empty", bodies=0)
    add("hidden", seen=8)
    add("tiny", scale=60)
    add("unknown")
    PIL.Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(folder / "alone__0.png")
    return folder, detector


def write_people(path, text):
    path.write_text(text)
    return People.from_yaml(path)


def test_pairs_are_cut_alike_and_split_by_subject(photographs, tmp_path):
    folder, detector = photographs
    people = write_people(
        tmp_path / "people.yaml",
        "train: {anna: [walk, run, crowd, empty, hidden, tiny, alone]}\nheld_out: {boris: [jump]}\nset_aside: [swim]\n",
    )
    counts, left_out = prepare_people(folder, tmp_path / "out", detector, people, (128, 88))
    assert counts == {"train": 4, "validation": 2}
    assert left_out == {
        "alone": "There are 1 pictures, expected 2.",
        "crowd": "There are 2 persons in one picture, expected 1.",
        "empty": "There are 0 persons in one picture, expected 1.",
        "hidden": "Only 8 points are seen in one picture, at least 11 are needed.",
        "tiny": left_out["tiny"],
        "unknown": "It belongs to no subject.",
    }
    assert "at least 90 are needed" in left_out["tiny"]
    train, held = read_pairs(tmp_path / "out" / "train"), read_pairs(tmp_path / "out" / "validation")
    assert {pair.subject for pair in train} == {"anna"} and {pair.subject for pair in held} == {"boris"}
    assert train[0].source == train[1].target and train[0].target == train[1].source
    crop = load_image(tmp_path / "out" / "train" / train[0].source.file)
    assert crop.shape == (128, 88, 3)
    points = np.array(train[0].source.keypoints)
    assert (points > 0).all() and (points < [88, 128]).all() and np.ptp(points[:, 1]) > 60
    assert people.not_for_training() == ["jump", "swim"]


def test_a_name_stands_once(tmp_path):
    with pytest.raises(ValueError, match=r"people.yaml' names 'walk' more than once"):
        write_people(tmp_path / "people.yaml", "train: {anna: [walk]}\nheld_out: {boris: [jump, walk]}\n")


def test_the_committed_split_keeps_people_apart():
    people = People.from_yaml(ROOT / "scripts" / "configs" / "exercise_people.yaml")
    assert len(people.held_out) >= 5
    trained = {name for name, subject in people.subjects.items() if subject not in people.held_out}
    assert not trained & set(people.not_for_training()) and len(trained) > 400
