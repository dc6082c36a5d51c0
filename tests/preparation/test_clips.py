"""One prepared clip: what is cut out, its key points, its sound, its SMPL coefficients; and clips that cannot be used."""

import dataclasses
import json
import pickle

import numpy as np
import PIL.Image
import pytest
import torch
from miniatures import make_deepfashion, make_iper, make_voxceleb, portrait, write_video
from safetensors.torch import load as load_tensors
from sounds import lag, tone

from adaat_hf.control.smpl_files import SMPLFileError, read_smpl_motion
from adaat_hf.preparation.clips import prepare_clip
from adaat_hf.preparation.layouts.clips import list_clips
from adaat_hf.preparation.layouts.deepfashion import list_deepfashion
from adaat_hf.preparation.layouts.iper import list_iper
from adaat_hf.preparation.layouts.voxceleb import list_voxceleb
from adaat_hf.preparation.settings import PreparationSettings
from adaat_hf.preparation.sources import UnusableClip
from adaat_hf.processing.images import load_image
from adaat_hf.processing.sound import decode_sound
from adaat_hf.training.packs import FACTS, SOUND, TENSORS, read_packs, write_pack


FACE = PreparationSettings(size=(128, 128))
PERSON = PreparationSettings("person", (256, 256), crop=False)


def prepared(source, settings, folder):
    """A source as the clip of a pack, and its parts."""
    parts = prepare_clip(source, settings)
    write_pack(folder / "clips-00000.tar", [(source.key, parts)])
    (clip,) = read_packs(folder)
    return clip, parts


def test_a_published_box_and_stretch_are_cut_out(tmp_path, astronaut):
    listing = list_voxceleb(make_voxceleb(tmp_path / "vox", astronaut), None, 250)
    source = next(s for s in listing.sources if s.start == 0.4)
    clip, parts = prepared(source, FACE, tmp_path)
    assert clip.facts["frames"] == 8 and clip.facts["fps"] == 25 and clip.facts["start"] == 0.4
    (frame,) = clip.frames([2])
    # The box is 260x230: widened to a square of 260 that stays in the picture.
    expected = PIL.Image.fromarray(portrait(astronaut, 24)).crop((40, 0, 300, 260)).resize((128, 128))
    assert np.abs(frame.astype(int) - np.asarray(expected)).mean() < 6
    tensors = clip.tensors()
    assert tensors["points"].shape == (8, 96, 2) and tensors["expression"].shape[0] == 8
    nose = tensors["points"][:, 30]
    assert ((nose[1:, 0] - nose[:-1, 0] - 2 * 128 / 260).abs() < 0.8).all(), (
        "the face goes 2 pixels to the right per frame"
    )
    sound = decode_sound(parts[SOUND])
    wave = tone(0.8)[round(0.4 * 16_000) :][: round(8 / 25 * 16_000)]
    assert abs(len(sound) - len(wave)) <= 1 and abs(lag(sound, wave)) <= 80


def test_a_video_of_another_size_and_rate_gives_the_same_stretch(tmp_path, astronaut):
    listing = list_voxceleb(make_voxceleb(tmp_path / "vox", astronaut), None, 250)
    source = next(s for s in listing.sources if s.facts["video"] == "bbbbbbbbbbb")
    clip, parts = prepared(source, FACE, tmp_path)
    assert clip.facts["fps"] == 30 and clip.facts["frames"] == 12, "10 frames at 25 per second are 12 at 30"
    assert SOUND not in parts
    eyes = clip.tensors()["points"][0, 36:48].mean(0)
    assert 30 < float(eyes[0]) < 98 and 30 < float(eyes[1]) < 98


def test_no_frame_of_a_faster_video_is_lost(tmp_path, astronaut):
    listing = list_voxceleb(make_voxceleb(tmp_path / "vox", astronaut), None, 10)
    source = next(s for s in listing.sources if s.facts["video"] == "bbbbbbbbbbb")
    clip, _ = prepared(source, dataclasses.replace(FACE, max_frames=10), tmp_path)
    assert clip.facts["frames"] == 12, "segments are counted at the rate of the lists"


def test_a_face_that_has_to_be_found(tmp_path, astronaut):
    write_video(tmp_path / "clips" / "speech.mp4", [portrait(astronaut, 2 * n) for n in range(6)], sound=True)
    (source,) = list_clips(tmp_path / "clips", None, 250, 30).sources
    clip, _ = prepared(source, FACE, tmp_path)
    points = clip.tensors()["points"]
    assert (points.mean((0, 1)) - 64).abs().max() < 12, "the crop is steady and the face in its middle"
    assert points[-1, 30, 0] - points[0, 30, 0] > 3, "the face moves in it"


def test_pictures_of_one_person(tmp_path, astronaut):
    folder = tmp_path / "stills"
    folder.mkdir()
    for mood, shift in (("neutral", 0), ("smiling", 30)):
        PIL.Image.fromarray(portrait(astronaut, shift)).save(folder / f"anna_{mood}.png")
    (source,) = list_clips(folder, None, 250, 30).sources
    clip, _ = prepared(source, FACE, tmp_path)
    points = clip.tensors()["points"]
    assert clip.facts["frames"] == 2 and (points[0] - points[1]).abs().mean() < 3, "each is cut out by itself"


def test_clips_that_cannot_be_used(tmp_path, astronaut):
    gray = [np.full((120, 160, 3), 90, np.uint8)] * 4
    write_video(tmp_path / "clips" / "blank.mp4", gray)
    write_video(
        tmp_path / "clips" / "mostly.mp4",
        [cut for n in range(4) for cut in (portrait(astronaut, 0), portrait(astronaut, 0)[::-1] * 0)],
    )
    write_video(tmp_path / "clips" / "single.mp4", [portrait(astronaut, 0)])
    reasons = {}
    for source in list_clips(tmp_path / "clips", None, 250, 30).sources:
        with pytest.raises(UnusableClip) as error:
            prepare_clip(source, FACE)
        reasons[source.facts["clip"]] = str(error.value)
    assert reasons == {
        "blank.mp4": "none of its frames shows a face",
        "mostly.mp4": "only 50% of its frames show a face",
        "single.mp4": "it has fewer than two frames",
    }


def test_iper_brings_smpl_coefficients_in_crop_pixels(tmp_path):
    listing = list_iper(make_iper(tmp_path / "iper"), 6)
    source = [s for s in listing.sources if s.facts["clip"] == "001/1/1"][1]
    clip, parts = prepared(source, PreparationSettings("person", (128, 128), crop=False), tmp_path)
    tensors = load_tensors(parts[TENSORS])
    assert clip.facts["frames"] == 6 and tensors["points"].shape == (6, 18, 2) and tensors["pose"].shape == (6, 24, 3)
    motion = read_smpl_motion(source.smpl)
    half = (motion.translation[6:] + 0.5) / 2 - 0.5
    torch.testing.assert_close(tensors["smpl_translation"], half)
    torch.testing.assert_close(tensors["smpl_scale"], motion.scale[6:] / 2)
    seen = tensors["visibility"].sum(1)
    assert (seen > 12).all() and torch.equal(tensors["smpl_pose"], motion.pose[6:])


def test_smpl_coefficients_that_are_too_few_are_left_out_and_said(tmp_path):
    listing = list_iper(make_iper(tmp_path / "iper"), 250)
    source = next(s for s in listing.sources if s.facts["clip"] == "002/1/1")
    parts = prepare_clip(source, PERSON)
    assert json.loads(parts[FACTS])["smpl"] == "'pose_shape.pkl' has 5 poses, at least 8 are needed."
    assert "smpl_pose" not in load_tensors(parts[TENSORS])


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    class Harmful:
        def __reduce__(self):
            return (print, ("run",))

    path = tmp_path / "pose_shape.pkl"
    path.write_bytes(pickle.dumps({"pose": Harmful()}))
    with pytest.raises(SMPLFileError, match="asks for builtins.print, which plain arrays do not need"):
        read_smpl_motion(path)
    path.write_bytes(pickle.dumps({"pose": np.array([{}], object), "cams": np.zeros((1, 3))}))
    with pytest.raises(SMPLFileError, match="holds objects in 'pose'"):
        read_smpl_motion(path)
    path.write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(SMPLFileError, match="holds a list, expected a dictionary"):
        read_smpl_motion(path)
    values = {"cams": np.ones((2, 3)), "pose": np.zeros((2, 72)), "shape": np.zeros((2, 10))}
    for protocol in range(6):
        path.write_bytes(pickle.dumps(values, protocol=protocol))
        assert read_smpl_motion(path).pose.shape == (2, 24, 3)


def test_deepfashions_pictures_are_kept_or_cut_without_their_margins(tmp_path, standing_pose):
    listing = list_deepfashion(make_deepfashion(tmp_path / "fashion", standing_pose))
    women, men = sorted(listing.sources, key=lambda source: source.split, reverse=True)
    clip, parts = prepared(women, PERSON, tmp_path)
    assert parts[".000.jpg"] == women.files[0].read_bytes(), "nothing is encoded twice without need"
    assert np.array_equal(clip.frames([1])[0], load_image(women.files[1]))
    assert clip.facts["pairs"] == [[0, 1], [1, 0], [2, 0]] and clip.facts["names"][2].endswith("7additional.jpg")
    _, parts = prepared(men, PERSON, tmp_path)
    with PIL.Image.open(men.files[1]) as padded:
        expected = np.asarray(padded.convert("RGB").crop((40, 0, 216, 256)))
    (clip,) = read_packs(tmp_path)
    assert np.abs(clip.frames([1])[0].astype(int) - expected).mean() < 1


def test_a_broken_picture_costs_its_pairs_only(tmp_path, standing_pose):
    listing = list_deepfashion(make_deepfashion(tmp_path / "fashion", standing_pose))
    women = next(source for source in listing.sources if source.split == "train")
    content = women.files[1].read_bytes()
    women.files[1].write_bytes(content[: len(content) // 2])
    clip, _ = prepared(women, PERSON, tmp_path)
    assert clip.facts["pairs"] == [[1, 0]] and clip.facts["pairs_left_out"] == 2 and clip.facts["frames"] == 2
    PIL.Image.new("RGB", (300, 300)).save(women.files[0])
    with pytest.raises(UnusableClip, match="it is 300x300, expected 176x256 or 256x256"):
        prepare_clip(women, PERSON)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "cat"}, "kind is 'cat', expected one of"),
        ({"size": (255, 255)}, "size is 255x255, expected even numbers"),
        ({"size": (256, 176)}, "expected a square for faces"),
        ({"max_frames": 1}, "max_frames is 1, expected at least 2"),
    ],
)
def test_settings_out_of_range(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(FACE, **changes)
