"""What each published layout holds, with its quirks: what there is, what is missing, where it belongs."""

import dataclasses

import numpy as np
import pytest
from miniatures import NAMES, make_deepfashion, make_hdtf, make_iper, make_voxceleb, portrait, write_video

from adaat_hf.preparation.layouts.clips import list_clips
from adaat_hf.preparation.layouts.deepfashion import flattened, list_deepfashion
from adaat_hf.preparation.layouts.hdtf import list_hdtf
from adaat_hf.preparation.layouts.iper import list_iper
from adaat_hf.preparation.layouts.voxceleb import list_voxceleb
from adaat_hf.preparation.sources import ClipSource, LayoutError, PublishedBox, divide, held_out


def by_clip(listing):
    return {source.facts["clip"]: source for source in listing.sources}


def test_voxceleb(tmp_path, astronaut):
    listing = list_voxceleb(make_voxceleb(tmp_path, astronaut), None, 250)
    assert listing.listed == {"train": 4, "test": 1, "unreadable": 1}, "a line that is there twice counts once"
    found = by_clip(listing)
    assert len(found) == 4 and len({source.key for source in listing.sources}) == 4
    second = found["id10005#aaaaaaaaaaa#000010#000018"]
    assert (second.start, second.end, second.split, second.frames) == (0.4, 0.72, "train", 8)
    assert second.facts["person"] == "id10005"
    assert found["id10003#bbbbbbbbbbb#000000#000010"].box.in_picture(150, 160) == (20, 5, 140, 120)
    missing = {entry.name: entry for entry in listing.missing}
    assert "v=ddddddddddd" in missing["id10009#ddddddddddd#000000#000006"].address
    assert "not enough values" in missing["line 7"].reason
    with pytest.raises(LayoutError, match=r"one \*metadata\*.csv below .*, found none"):
        list_voxceleb(tmp_path / "videos", None, 250)
    (tmp_path / "other.csv").write_text("a,b\n")
    with pytest.raises(LayoutError, match=r"has the columns \['a', 'b'\], expected \['video_id'"):
        list_voxceleb(tmp_path, tmp_path / "other.csv", 250)


def test_hdtf(tmp_path, astronaut):
    listing = list_hdtf(make_hdtf(tmp_path / "hdtf", astronaut), 250)
    found = by_clip(listing)
    assert found.keys() == {"RD_Radio1_0", "RD_Radio1_1", "WDA_AmyKlobuchar1_0", "WDA_AndyKim_0"}
    assert found["WDA_AndyKim_0"].files[0].name == "xyzxyzxyzxy.mp4", "videos are often named by their YouTube id"
    assert found["RD_Radio1_1"].start == 1.0 and found["RD_Radio1_1"].end == 2.0
    assert found["RD_Radio1_0"].box.in_picture(300, 320) == (20, 10, 260, 250), (
        "lists are for 600 lines, the video has 300"
    )
    reasons = {entry.name: entry.reason for entry in listing.missing}
    assert "no video" in reasons["RD_Radio9_0"] and "no crop" in reasons["WDA_AmyKlobuchar1_1"]
    assert "no resolution" in reasons["WDA_ChrisCoons_0"]
    assert listing.listed["unreadable"] == 2 and listing.listed["train"] + listing.listed["test"] == 5
    tested = {source.facts["person"] for source in listing.sources if source.split == "test"}
    assert not tested & {source.facts["person"] for source in listing.sources if source.split == "train"}
    again = list_hdtf(tmp_path / "hdtf", 10)
    assert sorted(source.frames for source in again.sources) == [8] * 12
    assert {s.split for s in again.sources if s.facts["person"] in tested} <= {"test"}
    with pytest.raises(LayoutError, match="github.com/MRzzm/HDTF"):
        list_hdtf(tmp_path / "hdtf" / "raw", 250)


def test_iper(tmp_path):
    listing = list_iper(make_iper(tmp_path / "iper"), 250)
    found = by_clip(listing)
    assert listing.listed == {"train": 3, "test": 1} and found.keys() == {"001/1/1", "001/2/1", "002/1/1"}
    assert [file.name for file in found["001/1/1"].files] == [f"{number}.png" for number in range(12)]
    assert found["001/1/1"].smpl.name == "pose_shape.npz" and found["001/2/1"].smpl is None
    assert found["002/1/1"].split == "test" and found["002/1/1"].frames == 8
    assert found["001/2/1"].facts["person"] == "001" and found["001/2/1"].facts["subject"] == "001/2"
    assert [entry.name for entry in listing.missing] == ["009/1/2"]
    parts = [source for source in list_iper(tmp_path / "iper", 5).sources if source.facts["clip"] == "001/1/1"]
    assert [len(source.files) for source in parts] == [4, 4, 4] and parts[1].files[0].name == "4.png"
    (tmp_path / "iper" / "val.txt").write_text("001/1/1\n")
    with pytest.raises(LayoutError, match="'val.txt' names '001/1/1', which 'train.txt' has already"):
        list_iper(tmp_path / "iper", 250)


def test_deepfashion(tmp_path, standing_pose):
    listing = list_deepfashion(make_deepfashion(tmp_path / "fashion", standing_pose))
    assert listing.listed == {"train": 5, "test": 2}
    women, men = sorted(listing.sources, key=lambda source: source.split, reverse=True)
    assert women.facts["pairs"] == [[0, 1], [1, 0], [2, 0]] and women.facts["person"].endswith("id00002629")
    assert women.files[0].name == "02_1_front.jpg", "the data set's own folders"
    hip = women.poses[0].keypoints[8]
    assert hip[0] < hip[1], "the lists have y first"
    assert women.poses[2].visibility[4] == 0 and men.facts["pairs"] == [[0, 1], [1, 0]] and men.split == "test"
    reasons = [entry.reason for entry in listing.missing]
    assert any("line 5: the key points are damaged" in reason for reason in reasons)
    assert any("'fashionlost_1front.jpg' has no readable annotation" in reason for reason in reasons)
    (tmp_path / "fashion" / NAMES[1]).unlink()
    fewer = list_deepfashion(tmp_path / "fashion")
    assert [source.facts["pairs"] for source in fewer.sources if source.split == "train"] == [[[0, 1]]]
    assert any(entry.name == NAMES[1] and "no such picture" in entry.reason for entry in fewer.missing)
    with pytest.raises(LayoutError, match=r"no \*pairs\*train\*.csv"):
        list_deepfashion(tmp_path / "fashion" / "fashion")


def test_names_in_folders_and_in_lists_are_the_same(tmp_path):
    own = tmp_path / "fashion" / "WOMEN" / "Dresses" / "id_00002629" / "02_1_front.jpg"
    assert flattened(own) == NAMES[0]
    assert flattened(tmp_path / NAMES[0]) == NAMES[0]


def test_own_clips(tmp_path, astronaut):
    folder = tmp_path / "clips"
    write_video(folder / "a" / "first.mp4", [portrait(astronaut, n) for n in range(9)])
    write_video(folder / "b" / "first.mp4", [portrait(astronaut, n) for n in range(5)])
    (folder / "damaged.mp4").write_bytes(b"no video")
    (tmp_path / "index.csv").write_text(
        "file,split,subject,licence\nclips/a/first.mp4,test,anna,CC BY 4.0\nclips/lost.mp4,,ben,\nother/clip.mp4,,cleo,\n"
    )
    listing = list_clips(folder, tmp_path / "index.csv", 4, 30.0)
    assert listing.listed == {"test": 1, "train": 3}
    tested = [source for source in listing.sources if source.split == "test"]
    assert [source.frames for source in tested] == [3, 3, 3] and tested[0].facts["licence"] == "CC BY 4.0"
    assert len({source.key for source in listing.sources}) == len(listing.sources) == 5
    assert {entry.name for entry in listing.missing} == {"damaged.mp4", "lost.mp4"}
    (tmp_path / "index.csv").write_text("name\n")
    with pytest.raises(LayoutError, match="expected 'file'"):
        list_clips(folder, tmp_path / "index.csv", 4, 30.0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(LayoutError, match="no video and no group of pictures"):
        list_clips(tmp_path / "empty", None, 4, 30.0)


def test_long_stretches_are_divided_evenly():
    source = ClipSource("speech", "train", (), 0, 10.0, 20.04)
    parts = list(divide(source, 25.0, 100))
    assert [part.frames for part in parts] == [84, 84, 84] or max(part.frames for part in parts) <= 100
    assert parts[0].start == 10.0 and parts[-1].end == pytest.approx(20.04)
    assert all(one.end == other.start for one, other in zip(parts, parts[1:], strict=False))
    assert [part.key for part in parts] == ["speech-s000", "speech-s001", "speech-s002"]
    assert [part.key for part in divide(dataclasses.replace(source, end=14.0), 25.0, 100)] == ["speech"]


def test_held_out_subjects_are_always_the_same_and_as_many_as_asked():
    sizes = {f"person {number}": number % 7 + 1 for number in range(200)}
    chosen = held_out(sizes, 0.05)
    assert chosen == held_out(dict(reversed(sizes.items())), 0.05)
    share = sum(sizes[name] for name in chosen) / sum(sizes.values())
    assert 0.05 <= share < 0.06


def test_boxes_follow_the_size_of_the_video():
    box = PublishedBox(100, 50, 300, 250, 720, 1280)
    np.testing.assert_allclose(box.in_picture(360, 640), (50, 25, 150, 125))
    np.testing.assert_allclose(PublishedBox(100, 50, 300, 250, 720).in_picture(360, 480), (50, 25, 150, 125))
