"""Runs beside the page: progress, errors, and an end when the visitor leaves."""

import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import gradio as gr
import numpy as np
import PIL.Image
import pytest

from adaat_hf import VideoReader, VideoWriter
from adaat_hf.app.choosing import chosen
from adaat_hf.app.handling import guarded, progress_html
from adaat_hf.app.side_by_side import CAPTION, HEIGHT, write_side_by_side
from adaat_hf.marking import inspect_file
from adaat_hf.serving.checks import check_length, media_seconds
from adaat_hf.serving.running import Cancelled, Progress, Run


def painting(frames, seconds=0.05, seen=None):
    """Work that paints, a batch of one frame at a time."""

    def work(step):
        for number in range(frames):
            time.sleep(seconds)
            if seen is not None:
                seen.append(number)
            step(None, number, number + 1, {})
        return "painted"

    return work


def test_progress_says_device_rate_and_time_left():
    run = Run(painting(40), "cpu", total=40)
    texts = [str(progress) for progress in run]
    assert run.result == "painted"
    assert "of 40 frames on cpu" in texts[-1] and "frames/s" in texts[-1] and "s left" in texts[-1]
    assert str(Progress(0, None, None, 3.2, "cpu")) == "reading photograph and motion (3 s)"
    assert str(Progress(4, None, 10, 1, "cuda")) == "painted 4 of 10 frames on cuda"
    assert "max='10'" in progress_html(Progress(4, 2.0, 10, 1, "cpu"))


def test_leaving_stops_the_work_at_its_next_batch():
    seen = []
    run = Run(painting(200, seen=seen), "cpu")
    progress = iter(run)
    next(progress)
    progress.close()
    assert len(seen) < 60
    for thread in threading.enumerate():
        if thread.name == "adaat-run":
            thread.join(5)
            assert not thread.is_alive()
    with pytest.raises(Cancelled):
        _ = run.result


def test_a_run_that_nobody_asks_about_stops_and_removes_its_folder(monkeypatch):
    monkeypatch.setattr("adaat_hf.serving.running.ABANDONED_SECONDS", 0.5)
    seen, folder = [], TemporaryDirectory()
    lost = iter(Run(painting(200, seen=seen), "cpu", folder))
    next(lost)
    deadline = time.monotonic() + 10
    while Path(folder.name).exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(seen) < 60


def test_the_folder_of_a_run_disappears_however_it_ends():
    folders = []

    def work(folder):
        folders.append(Path(folder.name))
        (folders[-1] / "half.mp4").write_bytes(b"half")
        yield 1
        raise ValueError(f"'{folder.name}/half.mp4' is no video.")

    run = guarded(work)
    assert next(run) == 1 and folders[0].exists()
    run.close()
    assert not folders[0].exists()
    with pytest.raises(gr.Error) as caught:
        list(guarded(work))
    assert caught.value.message == "'half.mp4' is no video."
    assert not folders[1].exists()


def test_unexpected_errors_tell_visitors_nothing_of_the_inside(caplog):
    def work(folder):
        yield 1
        raise RuntimeError("secret")

    with pytest.raises(gr.Error) as caught:
        list(guarded(work))
    assert "secret" not in str(caught.value) and "secret" in caplog.text


def test_the_length_of_a_clip_without_a_stated_duration(tmp_path):
    path = tmp_path / "camera.webm"
    with av.open(str(path), "w", options={"live": "1"}) as file:
        stream = file.add_stream("libvpx", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(30):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number, np.uint8), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    with av.open(str(path)) as file:
        assert not file.duration, "the file is to be one without a duration"
    assert media_seconds(path) == pytest.approx(3, abs=0.15)
    with pytest.raises(ValueError, match="The driving video lasts 3 seconds; at most 2 seconds are taken here."):
        check_length(path, 2, "driving video")
    check_length(path, 4, "driving video")


def test_other_files_have_no_length(tmp_path):
    path = tmp_path / "text.mp4"
    path.write_text("no video")
    with pytest.raises(ValueError, match="'text.mp4' cannot be read as a video or sound"):
        media_seconds(path)


@pytest.mark.parametrize("driver_frames", [None, 3, 20])
def test_side_by_side_is_marked_and_as_long_as_the_result(tmp_path, astronaut, driver_frames):
    def clip(name, frames, width):
        path = tmp_path / name
        with VideoWriter(path, 10, width, 128, mark=name == "result.mp4") as writer:
            for number in range(frames):
                writer.write(np.roll(astronaut[:128, :width], number, 1))
        return path

    result = clip("result.mp4", 8, 160)
    driver = None if driver_frames is None else clip("driver.mp4", driver_frames, 96)
    path = write_side_by_side(tmp_path / "side.mp4", astronaut, result, 10, driver)
    frames = list(VideoReader(path))
    widths = [HEIGHT, *([] if driver is None else [96 * HEIGHT // 128]), 160 * HEIGHT // 128]
    assert len(frames) == 8 and frames[0].shape == (HEIGHT + CAPTION, sum(widths), 3)
    assert inspect_file(path).marked


def test_what_was_chosen():
    assert chosen(None) == chosen("largest") == "largest"
    assert chosen("all") == "all" and chosen("2") == 2


def test_crops_of_faces_and_persons(studio, files):
    from adaat_hf.app.choosing import PREVIEW, face_crops, person_crops

    photo = np.asarray(PIL.Image.open(files["photo"]))
    two = np.hstack([photo, photo[::2, ::2].repeat(2, 0)[:320, :160]])
    assert [crop.shape for crop in face_crops(photo, studio.landmarker)] == [(PREVIEW, PREVIEW, 3)]
    assert len(face_crops(two, studio.landmarker)) >= 1
    figure = np.asarray(PIL.Image.open(files["figure"]))
    assert [crop.shape[0] for crop in person_crops(figure, studio.detector)] == [PREVIEW]
