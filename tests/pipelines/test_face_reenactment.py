"""Face reenactment from every kind of input to every kind of output, and what goes wrong on the way."""

import json
from dataclasses import replace

import cv2
import numpy as np
import PIL.Image
import psutil
import pytest
import torch

from adaat_hf import (
    AdaATGenerator,
    AdaATImageProcessor,
    AdaATPipeline,
    FaceReenactmentPipeline,
    MotionTemplate,
    NoFaceError,
    TorchLandmarker,
    VideoError,
    VideoReader,
    VideoWriter,
)


def repeated(template, frames):
    """A motion template of that many frames, forth and forth again."""
    return replace(
        template, coefficients=template.coefficients.frames(torch.arange(frames) % len(template.coefficients))
    )


def find(landmark_networks, picture):
    return TorchLandmarker(landmark_networks).detect(np.asarray(picture)[None])[0]


def test_the_face_follows_the_driver(pipe, portrait, short_motion, landmark_networks, face_model, fitter):
    """The head turns and stays recognisable: landmarks found in the output lie where the motion puts them."""
    result = pipe(portrait, short_motion, crop_only=True)
    assert len(result.frames) == 8 and result.frames[0].size == (256, 256)
    fitted = []
    for frame in result.frames:
        points, visibility = find(landmark_networks, frame)[0].as_face96()
        fitted.append(fitter.fit(torch.from_numpy(points)[None], torch.from_numpy(visibility)[None]).rotation[0])
    wanted = short_motion.coefficients.rotation[:, 1]
    found = torch.stack(fitted)[:, 1]
    assert torch.corrcoef(torch.stack([wanted, found]))[0, 1] > 0.9


def test_the_whole_photograph_comes_back(pipe, portrait, short_motion):
    result = pipe(portrait, short_motion)
    frame = np.asarray(result.frames[3])
    assert frame.shape == portrait.shape and np.array_equal(frame[-5:], portrait[-5:]), "far pixels are untouched"
    assert (frame != portrait).any()
    assert result.fps == 10 and str(result.statistics).startswith("8 frames on cpu")


def test_every_kind_of_driver(pipe, portrait, short_motion, driving_clip, tmp_path):
    template = short_motion.save(tmp_path / "motion.safetensors")
    folder = tmp_path / "pictures"
    folder.mkdir()
    frames = [np.roll(portrait, n, axis=1) for n in range(3)]
    for number, frame in enumerate(frames):
        PIL.Image.fromarray(frame).save(folder / f"{number:03d}.png")
    points = np.random.default_rng(0).normal(0, 0.3, (5, 68, 2)) + pipe.face_model.mean[:68, :2].numpy() * 90 + 150
    np.savez(tmp_path / "points.npz", points=points, fps=12)
    cases = [
        (template, 8, 10),
        (folder, 3, 25),
        (tmp_path / "points.npz", 5, 12),
        (frames, 3, 25),
        (driving_clip, 12, 20),
    ]
    for driver, count, fps in cases:
        result = pipe(portrait, driver, crop_only=True)
        assert (len(result.frames), result.fps) == (count, fps), driver
    assert result.statistics.frames_without_face == (4, 5) and result.sound_from == driving_clip


def test_frames_without_a_face(pipe, portrait, driving_clip):
    held = pipe(portrait, driving_clip, crop_only=True, frame_policy="hold", smoothing=False)
    one, two = (np.asarray(held.frames[number]).astype(int) for number in (4, 5))
    assert len(held.frames) == 12 and np.abs(one - two).max() <= 1, "the same picture, but for rounding within a batch"
    # The frames differ so little that any may be the calmest, which would be shown unmoved.
    skipped = pipe(portrait, driving_clip, frame_policy="skip", reference=0)
    assert len(skipped.frames) == 12 and skipped.statistics.frames_without_face == (4, 5)
    untouched, moved = (np.abs(np.asarray(skipped.frames[n]).astype(int) - portrait).mean() for n in (4, 11))
    assert untouched < 1 and moved > 2 * untouched
    with pytest.raises(NoFaceError, match="no face in 2 frames: 4, 5"):
        pipe(portrait, driving_clip, frame_policy="raise")


def test_saved_files_have_the_drivers_sound_and_rate(pipe, portrait, driving_clip, tmp_path):
    saved = pipe(portrait, driving_clip).save(tmp_path / "saved.mp4")
    streamed = pipe(portrait, driving_clip, output=tmp_path / "streamed.mp4")
    for path in (saved, streamed.path):
        reader = VideoReader(path)
        assert reader.has_sound and reader.fps == 20 and len(list(reader)) == 12
        assert (reader.width, reader.height) == (320, 300)
    assert len(streamed.frames) == 12 and streamed.frames[2].size == (320, 300)
    assert all(np.array_equal(a, b) for a, b in zip(streamed.arrays(), streamed.frames, strict=True))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["saved.mp4", "streamed.mp4"]


def test_a_failure_while_writing_leaves_nothing(pipe, portrait, short_motion, tmp_path):
    def stop(pipeline, number, done, tensors):
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        pipe(portrait, short_motion, output=tmp_path / "out.mp4", callback_on_step_end=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_disk_stops_the_painting_and_leaves_nothing(pipe, portrait, short_motion, tmp_path, monkeypatch):
    done = []

    def full(writer, frame):
        if writer.count == 2:
            raise OSError("No space left on device")
        writer.count += 1

    monkeypatch.setattr(VideoWriter, "write", full)
    long = repeated(short_motion, 200)
    with pytest.raises(OSError, match="No space left"):
        pipe(portrait, long, output=tmp_path / "out.mp4", callback_on_step_end=lambda *args: done.append(args[2]))
    assert max(done, default=0) < 100 and list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_clip(pipe, portrait, short_motion, tmp_path):
    used, process = {}, psutil.Process()

    def measure(pipeline, number, done, tensors):
        used[done] = process.memory_info().rss

    result = pipe(portrait, repeated(short_motion, 250), output=tmp_path / "out.mp4", callback_on_step_end=measure)
    assert result.statistics.frames == 250
    early = max(rss for done, rss in used.items() if 40 <= done <= 80)
    late = max(rss for done, rss in used.items() if done > 220)
    assert late - early < 20e6, "the 140 frames between them, of 320x300 pixels, are 40 MB"


def test_output_types_and_tuple(pipe, portrait, short_motion):
    array = pipe(portrait, short_motion, crop_only=True, output_type="np").frames
    tensor = pipe(portrait, short_motion, crop_only=True, output_type="pt").frames
    (pictures,) = pipe(portrait, short_motion, crop_only=True, return_dict=False)
    assert array.shape == (8, 256, 256, 3) and 0 <= array.min() and array.max() <= 1
    np.testing.assert_allclose(tensor.permute(0, 2, 3, 1).numpy(), array, atol=1e-6)
    assert np.abs(np.asarray(pictures[2]) / 255 - array[2]).max() < 0.01


def test_batches_do_not_change_the_result(pipe, portrait, short_motion):
    one, many = (
        pipe(portrait, short_motion, crop_only=True, batch_size=size, output_type="np").frames for size in (1, 8)
    )
    np.testing.assert_allclose(one, many, atol=2 / 255)


def test_callbacks_see_every_batch(pipe, portrait, short_motion):
    seen = []
    pipe(
        portrait, short_motion, crop_only=True, batch_size=3,
        callback_on_step_end=lambda p, number, done, tensors: seen.append((number, done, tuple(tensors["images"].shape))),
    )  # fmt: skip
    assert seen == [(0, 3, (3, 3, 256, 256)), (1, 6, (3, 3, 256, 256)), (2, 8, (2, 3, 256, 256))]
    with pytest.raises(ValueError, match=r"not \['latents'\]"):
        pipe(portrait, short_motion, callback_on_step_end_tensor_inputs=["latents"])


def test_several_photographs(pipe, portrait, short_motion):
    results = pipe([portrait, portrait[:, ::-1]], short_motion, crop_only=True)
    assert len(results) == 2 and all(len(result.frames) == 8 for result in results)


def test_several_faces_in_one_photograph(pipe, portrait, short_motion):
    small = cv2.resize(portrait, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    both = np.full((300, 520, 3), 120, np.uint8)
    both[:, :320] = portrait
    both[100 : 100 + small.shape[0], 322 : 322 + small.shape[1]] = small

    def change(choice):
        frame = np.asarray(pipe(both, short_motion, source_face=choice).frames[4]).astype(int)
        difference = np.abs(frame - both).mean(2)
        return difference[:, :320].mean() > 0.3, difference[:, 322:].mean() > 0.3

    assert change("largest") == (True, False)
    assert change(1) == (False, True)
    assert change("all") == (True, True)
    with pytest.raises(NoFaceError, match="Face number 2 was asked for, but the source picture has 2"):
        pipe(both, short_motion, source_face=2)


def test_strengths_and_control(pipe, portrait, short_motion):
    frames = {
        name: pipe(portrait, short_motion, crop_only=True, output_type="np", **options).frames
        for name, options in {
            "all": {},
            "still": {"strengths": {"head": 0, "mouth": 0, "eyes": 0, "brows": 0}},
            "expression": {"control": "expression"},
            "absolute": {"motion": "absolute"},
        }.items()
    }
    spread = {name: np.abs(values - values[:1]).mean() for name, values in frames.items()}
    assert spread["still"] < 1e-4 < spread["expression"] < spread["all"]
    assert np.abs(frames["absolute"] - frames["all"]).mean() > 1e-3


def test_turned_photographs_are_animated_upright(pipe, portrait, short_motion, landmark_networks):
    turned = np.ascontiguousarray(np.rot90(portrait))
    assert np.asarray(pipe(turned, short_motion).frames[0]).shape == (320, 300, 3)
    first, second = (
        find(landmark_networks, pipe(picture, short_motion, crop_only=True).frames[0])[0].points
        for picture in (portrait, turned)
    )
    assert np.linalg.norm(first - second, axis=-1).mean() < 10


@pytest.mark.parametrize("kind", ["gray", "alpha", "sixteen bit", "cmyk"])
def test_unusual_pictures(pipe, portrait, short_motion, kind, tmp_path):
    image = PIL.Image.fromarray(portrait)
    path = tmp_path / ("p.tif" if kind == "cmyk" else "p.png")
    if kind == "sixteen bit":
        PIL.Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257).save(path)
    else:
        image.convert({"gray": "L", "alpha": "RGBA", "cmyk": "CMYK"}[kind]).save(path)
    assert len(pipe(path, short_motion, crop_only=True).frames) == 8


def test_pictures_without_a_usable_face(pipe, portrait, short_motion):
    with pytest.raises(NoFaceError, match="No face was found in the source picture"):
        pipe(np.full((200, 200, 3), 90, np.uint8), short_motion)
    tiny = np.full((100, 100, 3), 120, np.uint8)
    tiny[40:60, 40:61] = cv2.resize(portrait, (21, 20), interpolation=cv2.INTER_AREA)
    with pytest.raises(NoFaceError, match="No face was found|px are needed"):
        pipe(tiny, short_motion)
    with pytest.raises(NoFaceError, match="None of the driver's 3 frames shows a face"):
        pipe(portrait, np.full((3, 120, 120, 3), 90, np.uint8))


def test_wrong_arguments_are_named_before_any_work(pipe, portrait, short_motion, tmp_path):
    for options, error, message in (
        ({"control": "lips"}, ValueError, "control is 'lips'"),
        ({"motion": "mirror"}, ValueError, "motion is 'mirror'"),
        ({"frame_policy": "drop"}, ValueError, "frame_policy is 'drop'"),
        ({"output_type": "gif"}, ValueError, "output_type is 'gif'"),
        ({"batch_size": 0}, ValueError, "batch_size is 0"),
        ({"strengths": {"nose": 1}}, TypeError, "nose"),
        ({"strengths": {"eyes": 9}}, ValueError, "strength of eyes is 9"),
        ({"output": tmp_path / "none" / "o.mp4"}, VideoError, "does not exist"),
        ({"source_face": "left"}, ValueError, "face choice is 'left'"),
        ({"reference": 99}, ValueError, "reference frame is 99"),
    ):
        with pytest.raises(error, match=message):
            pipe(portrait, short_motion, **options)
    for driver, error, message in (
        ("none.mp4", FileNotFoundError, "'none.mp4' does not exist"),
        ("none.safetensors", FileNotFoundError, "does not exist"),
        ([], ValueError, "expected a path"),
        (np.zeros((4, 4, 3), np.uint8), ValueError, r"has shape \(4, 4, 3\)"),
    ):
        with pytest.raises(error, match=message):
            pipe(portrait, driver)


def test_a_single_driving_frame(pipe, portrait):
    assert len(pipe(portrait, [portrait], crop_only=True).frames) == 1


def test_templates_from_the_pipeline(pipe, portrait, driving_clip, tmp_path):
    template = pipe.motion_template(driving_clip)
    again = MotionTemplate.load(template.save(tmp_path / "motion.safetensors"))
    first = pipe(portrait, driving_clip, crop_only=True, output_type="np").frames
    second = pipe(portrait, again, crop_only=True, output_type="np").frames
    np.testing.assert_allclose(first, second, atol=2 / 255)


def test_saved_pipelines_load_by_base_and_by_class(pipe, portrait, short_motion, tmp_path):
    pipe.save_pretrained(tmp_path)
    index = json.loads((tmp_path / "model_index.json").read_text())
    assert index["generator"] == ["adaat_hf", "AdaATGenerator"]
    expected = pipe(portrait, short_motion, crop_only=True, output_type="np").frames
    for cls in (AdaATPipeline, FaceReenactmentPipeline):
        loaded = cls.from_pretrained(tmp_path)
        assert isinstance(loaded, FaceReenactmentPipeline) and loaded.generator.dtype == torch.float32
        loaded.set_progress_bar_config(disable=True)
        np.testing.assert_allclose(loaded(portrait, short_motion, crop_only=True, output_type="np").frames, expected)


def test_components_can_be_passed_or_left_out(pipe, portrait, short_motion, landmark_networks, tmp_path):
    bare = FaceReenactmentPipeline(pipe.generator, pipe.face_model, pipe.image_processor)
    bare.save_pretrained(tmp_path)
    loaded = AdaATPipeline.from_pretrained(tmp_path)
    loaded.set_progress_bar_config(disable=True)
    with pytest.raises(ValueError, match="has no landmarker component"):
        loaded(portrait, short_motion)
    assert len(loaded(portrait, short_motion, landmarker=TorchLandmarker(landmark_networks)).frames) == 8
    given = AdaATPipeline.from_pretrained(tmp_path, landmarker=landmark_networks)
    assert given.landmarker is landmark_networks


def test_broken_repositories_are_named(pipe, tmp_path):
    pipe.save_pretrained(tmp_path)
    (tmp_path / "generator" / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="component 'generator' of .* cannot be loaded"):
        AdaATPipeline.from_pretrained(tmp_path)
    index = json.loads((tmp_path / "model_index.json").read_text())
    (tmp_path / "model_index.json").write_text(json.dumps({k: v for k, v in index.items() if k != "face_model"}))
    with pytest.raises(ValueError, match="no component 'face_model'"):
        AdaATPipeline.from_pretrained(tmp_path)
    (tmp_path / "model_index.json").write_text(json.dumps({**index, "_class_name": "StableDiffusionPipeline"}))
    with pytest.raises(ValueError, match="is a 'StableDiffusionPipeline', expected one of"):
        AdaATPipeline.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match="no bundled checkpoint 'bundled/nothing'"):
        AdaATPipeline.from_pretrained("bundled/nothing")


def test_fp16_variant(pipe, tmp_path):
    parts = {"face_model": pipe.face_model, "image_processor": AdaATImageProcessor()}
    half = AdaATGenerator(pipe.generator.config).half()
    FaceReenactmentPipeline(half, **parts).save_pretrained(tmp_path, variant="fp16")
    FaceReenactmentPipeline(AdaATGenerator(pipe.generator.config), **parts).save_pretrained(tmp_path)
    assert AdaATPipeline.from_pretrained(tmp_path).generator.dtype == torch.float32
    loaded = AdaATPipeline.from_pretrained(tmp_path, variant="fp16", dtype=torch.float16)
    assert loaded.generator.dtype == torch.float16


def test_shared_components_keep_their_type(pipe):
    again = FaceReenactmentPipeline.from_pipe(pipe, dtype=pipe.dtype)
    assert again.generator is pipe.generator and again.generator.dtype == torch.float32


def test_bundled_checkpoint_needs_no_network(portrait, short_motion, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    loaded = AdaATPipeline.from_pretrained("bundled/face")
    loaded.set_progress_bar_config(disable=True)
    result = loaded(portrait, short_motion, crop_only=True)
    assert len(result.frames) == 8 and loaded.generator.dtype == torch.float32
