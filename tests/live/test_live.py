"""Live animation: the newest frame counts, the rate is kept, the face follows, and what is written is whole."""

import http.client
import json
import socket
import sys
import threading
import time
import types
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest

from adaat_hf import VideoError, VideoReader
from adaat_hf.cli import main
from adaat_hf.live import CameraOutput, LiveCapture, LiveSession, PageOutput, VideoOutput
from adaat_hf.live.animator import CALIBRATION_FRAMES
from adaat_hf.marking.label import FOUND, label_score


class SlowAnimator:
    """Takes its time, and returns the driver's frame."""

    calibrated = True

    def __init__(self, seconds):
        self.seconds, self.gaps = seconds, []

    def __call__(self, picture, seconds):
        self.gaps.append(seconds)
        time.sleep(self.seconds)
        return picture


class Kept:
    """An output that remembers when frames came."""

    def __init__(self):
        self.frames, self.times, self.texts = [], [], []

    def show(self, frame, status):
        self.frames.append(frame)
        self.times.append(time.monotonic())
        self.texts.append(status)


def test_a_file_plays_at_its_own_rate(clip):
    with LiveCapture(str(clip)) as capture:
        came, number = [], -1
        while (frame := capture.next(number)) is not None:
            number = frame.number
            came.append(frame.time)
    assert len(came) == 30
    assert came[-1] - came[0] == pytest.approx(29 / 15, abs=0.5)


def test_only_the_newest_frame_is_kept(clip):
    with LiveCapture(str(clip)) as capture:
        first = capture.next(-1)
        time.sleep(0.5)
        later = capture.next(first.number)
    assert first.number == 0 and 4 <= later.number <= 12


def test_a_stream_is_read(clip):
    def serve(*args):
        return SimpleHTTPRequestHandler(*args, directory=str(clip.parent))

    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with LiveCapture(f"http://127.0.0.1:{server.server_address[1]}/{clip.name}") as capture:
            frame = capture.next(-1)
        server.shutdown()
    assert frame.picture.shape == (300, 320, 3)


@pytest.mark.parametrize(
    ("address", "message"),
    [("nothing.mp4", "does not exist"), ("77", "'77' cannot be opened"), ("rtsp://127.0.0.1:1/x", "cannot be opened")],
)
def test_what_cannot_be_opened_is_named(address, message):
    with pytest.raises((VideoError, FileNotFoundError), match=message):
        LiveCapture(address)


def test_late_frames_are_dropped_and_the_rate_is_kept(clip):
    kept, animator = Kept(), SlowAnimator(0.2)
    with LiveCapture(str(clip)) as capture:
        found = LiveSession(animator, capture, [kept], fps=20).run()
    assert 5 <= found.painted <= 11 and 26 <= found.painted + found.dropped <= 30
    assert 0.2 <= found.latency < 0.6 and 2.5 < found.painted_per_second < 5.5
    intervals = np.diff(kept.times)
    assert np.median(intervals) == pytest.approx(0.05, abs=0.02)
    assert found.shown == len(kept.frames) == pytest.approx(20 * (kept.times[-1] - kept.times[0]) + 1, abs=3)
    assert sum(animator.gaps[1:]) == pytest.approx(29 / 15, abs=0.6), "the time between frames is the driver's"
    assert "latency" in kept.texts[-1] and f"{found.dropped} dropped" in str(found)


def test_it_stops_after_the_given_time(clip):
    kept = Kept()
    with LiveCapture(str(clip)) as capture:
        found = LiveSession(SlowAnimator(0.0), capture, [kept], fps=10).run(seconds=0.5)
    assert found.shown == len(kept.frames) == 5


@pytest.mark.parametrize("broken", ["animator", "output"])
def test_errors_end_the_session(clip, broken, tmp_path):
    def fail(*args):
        raise VideoError("broken")

    animator, output = SlowAnimator(0.0), Kept()
    if broken == "animator":
        animator = fail
        fail.calibrated = False
    else:
        output.show = fail
    with pytest.raises(VideoError, match="broken"), LiveCapture(str(clip)) as capture:
        LiveSession(animator, capture, [output], fps=20).run()
    assert not [thread for thread in threading.enumerate() if thread.name in ("adaat-live", "adaat-capture")]


def test_the_face_follows_the_driver(animator, frames, live_pipe):
    shown = [animator(frame, 1 / 15) for frame in frames]
    still = animator.photo.compose([animator.face.crop])
    assert all(np.array_equal(frame, still) for frame in shown[:CALIBRATION_FRAMES]), "until the driver is known"
    start, end = (live_pipe.own_landmarker().detect(frame[None])[0][0].points for frame in (still, shown[-1]))
    moved = (end - start).mean(0)
    assert moved[0] == pytest.approx(38, abs=9) and abs(moved[1]) < 4, "the driver moved 38 pixels to the right"


def test_without_a_face_the_last_pose_is_held_and_found_again(animator, frames):
    shown = [animator(frame, 1 / 15) for frame in frames[:24]]
    empty = animator(np.full_like(frames[0], 90), 1 / 15)
    again = animator(frames[24], 1 / 15)
    assert np.array_equal(empty, shown[-1]) and not np.array_equal(again, empty)


def test_calibration_can_be_repeated(animator, frames):
    for frame in frames:
        animator(frame, 1 / 15)
    animator.calibrate()
    assert not animator.calibrated
    for _ in range(CALIBRATION_FRAMES):
        animator(frames[-1], 1 / 15)
    still = animator.photo.compose([animator.face.crop]).astype(int)
    assert animator.calibrated and np.abs(animator(frames[-1], 1 / 15) - still).mean() < 6, (
        "calm is where it was learned"
    )


def request(address, path, host=None):
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=10)
    connection.request("GET", path, headers={"Host": host} if host else {})
    return connection.getresponse()


def test_the_page_shows_the_frames_with_their_label(astronaut):
    picture = astronaut[:300, 70:390]
    with PageOutput(0, mark=True) as page:
        assert b"/stream" in request(page.address, "/").read()
        stream = request(page.address, "/stream")
        page.show(picture, "latency 80 ms")
        assert json.loads(request(page.address, "/status").read())["text"] == "latency 80 ms"
        head = [stream.readline() for _ in range(4)]
        found = stream.read(int(head[2].split()[1]))
        decoded = cv2.imdecode(np.frombuffer(found, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        assert np.abs(decoded[:150].astype(int) - picture[:150]).mean() < 4 and label_score(decoded) >= FOUND
        assert request(page.address, "/other").status == 404
        assert request(page.address, "/stream", host="evil.example:80").status == 403
    with pytest.raises(OSError):
        request(page.address, "/")


def test_a_video_is_whole_or_not_there(tmp_path, astronaut):
    with VideoOutput(tmp_path / "a.mp4", 10, 300, 320, mark=False) as output:
        for _ in range(4):
            output.show(astronaut[:300, 70:390], "")
    assert len(list(VideoReader(tmp_path / "a.mp4"))) == 4
    with pytest.raises(RuntimeError), VideoOutput(tmp_path / "b.mp4", 10, 300, 320, mark=False) as output:
        output.show(astronaut[:300, 70:390], "")
        raise RuntimeError
    with VideoOutput(tmp_path / "c.mp4", 10, 300, 320, mark=False):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_the_virtual_camera_gets_frames_or_says_what_is_missing(monkeypatch, astronaut):
    sent = []

    class Camera:
        device = "/dev/video9"

        def __init__(self, width, height, fps):
            if width > 400:
                raise RuntimeError("v4l2loopback is not loaded")
            self.send, self.close = sent.append, lambda: sent.append("closed")

    monkeypatch.setitem(sys.modules, "pyvirtualcam", types.SimpleNamespace(Camera=Camera))
    with CameraOutput(25, 300, 320, mark=False) as output:
        output.show(astronaut[:300, 70:390], "")
    assert sent[0].shape == (300, 320, 3) and sent[1] == "closed" and output.address == "/dev/video9"
    with pytest.raises(ValueError, match="v4l2loopback"):
        CameraOutput(25, 512, 512, mark=False)
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(ImportError, match="virtual-camera"):
        CameraOutput(25, 300, 320, mark=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fps", "0"], "frame rate is 0"),
        (["--no-page"], "nowhere to show"),
        (["--seconds", "-1"], "seconds is -1"),
        (["--driving", "missing.mp4"], "'missing.mp4' does not exist"),
        (["--size", "100"], "size is 100"),
    ],
)
def test_the_command_refuses_what_cannot_work(tmp_path, astronaut, capsys, options, message):
    source = tmp_path / "me.png"
    cv2.imwrite(str(source), astronaut[:300, 70:390, ::-1])
    assert main(["live", "--source", str(source), "--device", "cpu", *options]) == 1
    assert message in capsys.readouterr().err


def test_the_command_writes_a_video_at_the_fixed_rate(tmp_path, astronaut, clip, capsys):
    source, out = tmp_path / "me.png", tmp_path / "out.mp4"
    cv2.imwrite(str(source), astronaut[:300, 70:390, ::-1])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        options = ["--driving", str(clip), "-o", str(out), "--fps", "12", "--size", "64", "--device", "cpu"]
        assert main(["live", "--source", str(source), *options, "--port", port]) == 1
    assert not out.exists() and not list(tmp_path.glob(".*"))
    assert main(["live", "--source", str(source), *options, "--port", "0"]) == 0
    reader = VideoReader(out)
    assert reader.fps == 12 and len(list(reader)) == pytest.approx(24, abs=8)
    printed = capsys.readouterr().out
    assert "in a browser" in printed and "frames shown at 12 frames/s" in printed and "dropped" in printed
