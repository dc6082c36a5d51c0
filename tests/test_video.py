"""Reading and writing video: rates, rotation, sound, damage, memory."""

import contextlib
import resource
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest

from adaat_hf import VideoError, VideoReader, VideoWriter, video


def frame(number, width=64, height=48):
    """A gray frame whose brightness tells its number, with a white top left corner."""
    picture = np.full((height, width, 3), 40 + 4 * (number % 50), np.uint8)
    picture[: height // 4, : width // 4] = 255
    return picture


def number_of(picture):
    return round((float(picture[-4:, -4:].mean()) - 40) / 4)


def write_clip(path, frames=10, fps=25, sound=None, times=None):
    """Write a clip with PyAV itself; `sound` is an audio codec, `times` are presentation times in seconds."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=fps, options={"crf": "5"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        audio = file.add_stream(sound, rate=44100) if sound else None
        for number in range(frames):
            picture = av.VideoFrame.from_ndarray(frame(number), format="rgb24")
            time = times[number] if times else number / fps
            picture.pts, picture.time_base = round(1000 * time), Fraction(1, 1000)
            file.mux(stream.encode(picture))
        file.mux(stream.encode(None))
        if audio is not None:
            total = int(44100 * frames / fps)
            wave = (0.3 * np.sin(2 * np.pi * 440 * np.arange(total) / 44100)).astype(np.float32)
            for start in range(0, total, 1024):
                chunk = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], format="fltp", layout="mono")
                chunk.sample_rate, chunk.pts, chunk.time_base = 44100, start, Fraction(1, 44100)
                for packet in audio.encode(chunk):
                    file.mux(packet)
            file.mux(audio.encode(None))
    return path


def sound_of(path):
    """Samples of the first sound track and its rate."""
    with av.open(str(path)) as file:
        track = file.streams.audio[0]
        chunks = [chunk.to_ndarray()[0] for chunk in file.decode(track)]
        return np.concatenate(chunks), track.codec_context.sample_rate


def test_frames_come_back_in_order(tmp_path):
    reader = VideoReader(write_clip(tmp_path / "a.mp4", 12))
    assert (reader.fps, reader.width, reader.height, reader.has_sound) == (25, 64, 48, False)
    assert [number_of(picture) for picture in reader] == list(range(12))
    assert [number_of(picture) for picture in reader] == list(range(12)), "can be read again"
    assert reader.frame_estimate == 12


def test_variable_rate_becomes_constant(tmp_path):
    times = [0.0, 0.04, 0.08, 0.28, 0.32, 0.36]
    path = write_clip(tmp_path / "a.mkv", 6, times=times)
    assert [number_of(picture) for picture in VideoReader(path, fps=25)] == [0, 1, 2, 2, 2, 2, 2, 3, 4, 5]


def test_other_rates_keep_the_duration(tmp_path):
    path = write_clip(tmp_path / "a.mp4", 20, fps=25)
    assert abs(len(list(VideoReader(path, fps=50))) - 40) <= 1
    slow = [number_of(picture) for picture in VideoReader(path, fps=5)]
    assert abs(len(slow) - 4) <= 1 and slow == sorted(slow) and slow[-1] >= 14


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_rotated_clips_are_upright(tmp_path, turn):
    path = tmp_path / "turned.mp4"
    path.write_bytes(_with_rotation(write_clip(tmp_path / "plain.mp4", 3).read_bytes(), turn))
    reader = VideoReader(path)
    assert (reader.width, reader.height) == ((48, 64) if turn != 180 else (64, 48))
    picture = next(iter(reader))
    corners = {
        "top left": picture[2, 2],
        "bottom left": picture[-3, 2],
        "bottom right": picture[-3, -3],
        "top right": picture[2, -3],
    }
    bright = max(corners, key=lambda name: corners[name].mean())
    assert bright == {90: "bottom left", 180: "bottom right", 270: "top right"}[turn_of(path) % 360]


def turn_of(path):
    """Counter-clockwise turn that a player applies."""
    with av.open(str(path)) as file:
        return round(next(file.decode(video=0)).rotation) % 360


def _with_rotation(content, turn):
    """Put a rotation matrix into the track header of an mp4, as phones do."""
    cosine, sine = {90: (0, -1), 180: (-1, 0), 270: (0, 1)}[turn]
    one = 1 << 16
    matrix = [cosine * one, sine * one, 0, -sine * one, cosine * one, 0, 0, 0, 1 << 30]
    at = content.index(b"tkhd") + 4 + 40
    return content[:at] + b"".join(int(v).to_bytes(4, "big", signed=True) for v in matrix) + content[at + 36 :]


@pytest.mark.parametrize(("codec", "container"), [("aac", "mp4"), ("libmp3lame", "mkv"), ("flac", "mkv")])
def test_sound_of_the_driver_is_kept(tmp_path, codec, container):
    with contextlib.suppress(av.codec.codec.UnknownCodecError):
        driver = write_clip(tmp_path / f"a.{container}", 50, sound=codec)
        with VideoWriter(tmp_path / "out.mp4", 25, 64, 48, sound_from=driver) as writer:
            for number in range(50):
                writer.write(frame(number))
        samples, rate = sound_of(tmp_path / "out.mp4")
        assert abs(len(samples) / rate - 2.0) < 0.1
        strength = np.abs(np.fft.rfft(samples[4096:36864]))
        assert abs(strength.argmax() * rate / 32768 - 440) < 5, "still the 440 Hz tone"


def test_sound_ends_with_the_frames(tmp_path):
    driver = write_clip(tmp_path / "a.mp4", 75, sound="aac")
    with VideoWriter(tmp_path / "out.mp4", 25, 64, 48, sound_from=driver) as writer:
        for number in range(25):
            writer.write(frame(number))
    samples, rate = sound_of(tmp_path / "out.mp4")
    assert abs(len(samples) / rate - 1.0) < 0.1


def test_a_driver_without_sound_gives_a_silent_file(tmp_path):
    driver = write_clip(tmp_path / "a.mp4", 5)
    with VideoWriter(tmp_path / "out.mp4", 25, 64, 48, sound_from=driver) as writer:
        writer.write(frame(0))
    assert not VideoReader(tmp_path / "out.mp4").has_sound


def test_written_files_play_in_browsers(tmp_path):
    with VideoWriter(tmp_path / "out.mp4", Fraction(30000, 1001), 63, 47) as writer:
        for number in range(7):
            writer.write(frame(number, 63, 47))
    with av.open(str(tmp_path / "out.mp4")) as file:
        stream = file.streams.video[0]
        assert stream.codec_context.name == "h264" and stream.codec_context.pix_fmt == "yuv420p"
        assert (stream.width, stream.height, stream.frames, stream.average_rate) == (64, 48, 7, Fraction(30000, 1001))
    content = (tmp_path / "out.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat"), "starts to play before it is loaded"


def test_colours_survive(tmp_path, astronaut):
    with VideoWriter(tmp_path / "out.mp4", 25, 512, 512, crf=8) as writer:
        writer.write(astronaut)
    back = next(iter(VideoReader(tmp_path / "out.mp4"))).astype(int)
    assert np.abs((back - astronaut).mean((0, 1))).max() < 1.6 and np.abs(back - astronaut).mean() < 3


def test_nothing_is_left_after_a_failure(tmp_path):
    (tmp_path / "out.mp4").write_bytes(b"precious")
    with pytest.raises(RuntimeError, match="stop"), VideoWriter(tmp_path / "out.mp4", 25, 64, 48) as writer:
        writer.write(frame(0))
        raise RuntimeError("stop")
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert (tmp_path / "out.mp4").read_bytes() == b"precious"


def test_impossible_outputs_are_refused_at_once(tmp_path):
    for path, message in (
        (tmp_path / "none" / "out.mp4", "The folder .* does not exist"),
        (tmp_path, "is a folder"),
    ):
        with pytest.raises(VideoError, match=message):
            VideoWriter(path, 25, 64, 48)
    with pytest.raises(VideoError, match="No frame was written"):
        VideoWriter(tmp_path / "out.mp4", 25, 64, 48).close()
    with VideoWriter(tmp_path / "out.mp4", 25, 64, 48) as writer:
        writer.write(frame(0))
        with pytest.raises(VideoError, match="A frame is 32x48, expected 64x48"):
            writer.write(frame(0, 32, 48))


def test_what_is_no_video_is_refused(tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.mp4").touch()
    with av.open(str(tmp_path / "sound.mp4"), "w") as file:
        stream = file.add_stream("aac", rate=44100)
        chunk = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        chunk.sample_rate = 44100
        file.mux(stream.encode(chunk))
        file.mux(stream.encode(None))
    for name, message in (
        ("text.mp4", "cannot be read as a video"),
        ("empty.mp4", "cannot be read as a video"),
        ("sound.mp4", "has no video track"),
    ):
        with pytest.raises(VideoError, match=message):
            VideoReader(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        VideoReader(tmp_path / "none.mp4")
    with pytest.raises(VideoError, match="The frame rate is 0"):
        VideoReader(write_clip(tmp_path / "a.mp4"), fps=0)


def test_a_cut_off_clip_yields_what_is_whole(tmp_path):
    path = write_clip(tmp_path / "a.mkv", 40)
    path.write_bytes(path.read_bytes()[: int(0.7 * path.stat().st_size)])
    numbers = [number_of(picture) for picture in VideoReader(path)]
    assert 5 < len(numbers) < 40 and numbers[:5] == [0, 1, 2, 3, 4]


def test_a_single_frame_clip(tmp_path):
    assert len(list(VideoReader(write_clip(tmp_path / "a.mp4", 1)))) == 1


MEMORY_TEST = """
import resource, sys
import numpy as np
from adaat_hf.video import VideoReader, VideoWriter
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
picture = np.random.default_rng(0).integers(0, 255, (180, 240, 3)).astype(np.uint8)
def run(count):
    with VideoWriter(sys.argv[1], 25, 240, 180) as writer:
        for number in range(count):
            writer.write(np.roll(picture, number, 1))
    assert sum(1 for _ in VideoReader(sys.argv[1])) == count
run(60)
before = peak()
run(600)
print(peak() - before)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_length(tmp_path):
    script = [sys.executable, "-c", MEMORY_TEST, str(tmp_path / "a.mp4")]
    grown = float(subprocess.run(script, capture_output=True, text=True, check=True).stdout)
    frames_mb = 600 * 180 * 240 * 3 / 2**20
    assert grown < 0.25 * frames_mb, f"{grown:.0f} MB more for {frames_mb:.0f} MB of frames"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 0


@pytest.mark.parametrize("times", [None, [0.5 + 0.04 * n + 0.011 * (n % 2) for n in range(120)]])
def test_a_stretch_is_what_the_whole_clip_has_there(tmp_path, times):
    path = write_clip(tmp_path / "long.mp4", 120, times=times)
    whole = list(VideoReader(path, 25))
    for start, end in ((0, 1), (0.4, 1.2), (2.0, 3.0), (3.52, None), (4.6, 9.0)):
        part = list(VideoReader(path, 25, start=start, end=end))
        expected = whole[round(start * 25) : None if end is None else round(end * 25)]
        assert len(part) == len(expected) > 0
        assert all(np.array_equal(a, b) for a, b in zip(part, expected, strict=True))


def test_a_stretch_beyond_the_end_is_an_error(tmp_path):
    path = write_clip(tmp_path / "short.mp4", 10)
    with pytest.raises(VideoError, match="no frame in it could be decoded from second 3 on"):
        VideoReader(path, start=3.0, end=4.0)


def test_a_stretch_is_not_decoded_from_the_beginning(tmp_path, monkeypatch):
    path = write_clip(tmp_path / "long.mp4", 600)
    decoded = []
    reader = VideoReader(path, 25, start=22.0, end=22.4)
    kept = video._decodable
    monkeypatch.setattr(video, "_decodable", lambda container: (decoded.append(1) or f for f in kept(container)))
    assert len(list(reader)) == 10
    assert len(decoded) < 300, "libx264 sets a key frame every 250 frames"
