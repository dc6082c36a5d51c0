"""Folders of painted and true pictures: what belongs together, and errors that name the files."""

import numpy as np
import PIL.Image
import pytest

from adaat_hf import VideoWriter
from adaat_hf.evaluation.footage import EvaluationError, list_footage, match_footage


def picture(path, value=100, size=(24, 32)):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.full((*size, 3), value, np.uint8)).save(path)


def clip(path, frames, size=(32, 48)):
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, 10, size[1], size[0]) as writer:
        for number in range(frames):
            writer.write(np.full((*size, 3), 20 * number, np.uint8))


@pytest.fixture
def folders(tmp_path):
    return tmp_path / "painted", tmp_path / "true"


def test_pictures_videos_and_folders_of_frames_are_paired_by_name(folders):
    painted, true = folders
    for folder, suffix in ((painted, "png"), (true, "bmp")):
        picture(folder / f"a.{suffix}")
        for number in range(3):
            picture(folder / "b" / f"{number}.{suffix}", 10 * number)
        clip(folder / "c.mp4", 4)
        (folder / "notes.txt").write_text("not a picture")
    pairs = {pair.name: pair for pair in match_footage(painted, true)}
    assert {name: len(list(pair.frames())) for name, pair in pairs.items()} == {"a": 1, "b": 3, "c": 4}
    assert pairs["c"].reference.fps == 10
    assert [int(first.mean()) for first, _ in pairs["b"].frames()] == [0, 10, 20], "in the order of their names"


def test_two_files_are_a_pair_whatever_their_names(folders):
    painted, true = folders
    picture(painted / "mine.png")
    picture(true / "film.png")
    (pair,) = match_footage(painted / "mine.png", true / "film.png")
    assert pair.name == "mine" and len(list(pair.frames())) == 1


@pytest.mark.parametrize("extra", [0, 1])
def test_folders_that_do_not_match(folders, extra):
    picture(folders[0] / "a.png")
    picture(folders[1] / "a.png")
    picture(folders[extra] / "only_here.png")
    with pytest.raises(EvaluationError, match=r"1 of 2 names are in '.*' but not in '.*': only_here\.") as error:
        match_footage(*folders)
    assert str(error.value).index(str(folders[extra])) < str(error.value).index(str(folders[1 - extra]))


def test_sizes_that_differ(folders):
    picture(folders[0] / "a.png", size=(24, 32))
    picture(folders[1] / "a.png", size=(24, 30))
    with pytest.raises(
        EvaluationError, match=r"Frame 0 of '.*painted.a\.png' is 32x24, that of '.*true.a\.png' 30x24"
    ):
        match_footage(*folders)


def test_missing_frames_of_a_folder_are_named_at_once(folders):
    for number in range(4):
        picture(folders[1] / "b" / f"{number:03d}.png")
        if number != 2:
            picture(folders[0] / "b" / f"{number:03d}.png")
    with pytest.raises(EvaluationError, match=r"painted.b' has 3 frames and '.*true.b' 4; only one of them has: 002"):
        match_footage(*folders)


def test_missing_frames_of_a_video_are_found_while_it_is_read(folders):
    clip(folders[0] / "c.mp4", 3)
    clip(folders[1] / "c.mp4", 5)
    (pair,) = match_footage(*folders)
    with pytest.raises(EvaluationError, match=r"painted.c\.mp4' has only 3 frames, '.*true.c\.mp4' has more"):
        list(pair.frames())


@pytest.mark.parametrize("kind", ["a single picture", "a single frame"])
def test_pictures_where_clips_are_needed(folders, kind):
    name = "a.png" if kind == "a single picture" else "a/0.png"
    for folder in folders:
        picture(folder / name)
    with pytest.raises(EvaluationError, match=f"{kind}, this protocol compares clips"):
        match_footage(*folders, clips=True)


def test_nothing_to_compare(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(EvaluationError, match="holds no pictures"):
        list_footage(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        list_footage(tmp_path / "nowhere")
    picture(tmp_path / "a.png")
    picture(tmp_path / "a.bmp")
    with pytest.raises(EvaluationError, match=r"a\.bmp' and .*a\.png' have the same name"):
        list_footage(tmp_path)


def test_values_that_are_not_finite_are_named(folders):
    picture(folders[1] / "a.tif")
    values = np.full((24, 32), 50, np.float32)
    values[3, 4] = np.nan
    folders[0].mkdir()
    PIL.Image.fromarray(values).save(folders[0] / "a.tif")
    with pytest.raises(ValueError, match=r"painted.a\.tif.*not finite"):
        match_footage(*folders)


def test_a_damaged_picture_is_named(folders):
    picture(folders[1] / "a.png")
    folders[0].mkdir()
    (folders[0] / "a.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"painted.a\.png' cannot be read"):
        match_footage(*folders)
