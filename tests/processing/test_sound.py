"""Sound from every format, and sound that cannot be used."""

import io

import av
import numpy as np
import pytest
from sounds import lag, tone, write_sound

from adaat_hf import SoundError, SoundReader, VideoWriter
from adaat_hf.processing.sound import decode_sound, encode_sound, load_sound, measure_sound


@pytest.mark.parametrize(
    ("name", "codec", "rate", "layout"),
    [
        ("a.wav", "pcm_s16le", 16_000, "mono"),
        ("telephone.wav", "pcm_s16le", 8_000, "mono"),
        ("studio.wav", "pcm_s24le", 96_000, "stereo"),
        ("cinema.wav", "pcm_s16le", 48_000, "7.1"),
        ("a.flac", "flac", 44_100, "stereo"),
        ("a.mp3", "libmp3lame", 44_100, "stereo"),
        ("a.m4a", "aac", 44_100, "stereo"),
        ("a.ogg", "libopus", 48_000, "mono"),
    ],
)
def test_formats_keep_the_sound_in_time(tmp_path, name, codec, rate, layout):
    """The same tone comes back at the same moment, in a file and in a video that it was muxed into."""
    sound = tone(1.3)
    path = write_sound(tmp_path / name, sound, rate, codec, layout)
    read = load_sound(path)
    assert abs(len(read) - len(sound)) < 16_000 * 0.07
    assert abs(lag(read, sound)) <= 8
    assert np.corrcoef(read[: len(sound)], sound[: len(read)])[0, 1] > 0.98
    with VideoWriter(tmp_path / "out.mp4", 25, 32, 32, sound_from=path) as writer:
        for _ in range(33):
            writer.write(np.zeros((32, 32, 3), np.uint8))
    assert abs(lag(load_sound(tmp_path / "out.mp4", video_time=True), sound)) <= 8


def test_a_late_sound_track_is_read_in_the_pictures_time(tmp_path):
    sound = tone(1.0)
    path = write_sound(tmp_path / "late.mp4", sound, 16_000, "aac", at=0.5)
    assert len(load_sound(path)) < 1.2 * 16_000, "by itself the sound starts at once"
    with VideoWriter(tmp_path / "picture.mp4", 25, 32, 32) as writer:
        for _ in range(40):
            writer.write(np.zeros((32, 32, 3), np.uint8))
    parts = [av.open(str(tmp_path / name)) for name in ("picture.mp4", "late.mp4")]
    with av.open(str(tmp_path / "both.mp4"), "w") as out:
        streams = [out.add_stream_from_template(part.streams[0]) for part in parts]
        for part, stream in zip(parts, streams, strict=True):
            for packet in part.demux(part.streams[0]):
                if packet.dts is not None:
                    packet.stream = stream
                    out.mux(packet)
    assert abs(lag(load_sound(tmp_path / "both.mp4", video_time=True), sound) - 8000) < 40


def test_measured_facts(tmp_path):
    sound = np.concatenate([np.zeros(16_000, np.float32), tone(1.0), np.zeros(8_000, np.float32)])
    path = write_sound(tmp_path / "a.wav", sound, 16_000, "pcm_s16le")
    facts = measure_sound(SoundReader(path))
    assert facts.seconds == 2.5 and 0.45 < facts.peak <= 0.5 and facts.clipped == 0
    assert -16 < facts.speech_level < -8
    loud = write_sound(tmp_path / "loud.wav", np.clip(8 * sound, -1, 1), 16_000, "pcm_s16le")
    assert measure_sound(SoundReader(loud)).clipped > 0.1


def test_unusable_sound_is_refused_with_a_reason(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.wav"):
        SoundReader(tmp_path / "nowhere.wav")
    (tmp_path / "empty.wav").write_bytes(b"")
    with pytest.raises(SoundError, match="is empty"):
        SoundReader(tmp_path / "empty.wav")
    (tmp_path / "text.wav").write_text("This is a text, and no sound. " * 50)
    with pytest.raises(SoundError, match="cannot be read as sound"):
        SoundReader(tmp_path / "text.wav")
    silent = write_sound(tmp_path / "silent.wav", np.zeros(16_000, np.float32), 16_000, "pcm_s16le")
    with pytest.raises(SoundError, match="is silent"):
        measure_sound(SoundReader(silent))
    with VideoWriter(tmp_path / "mute.mp4", 25, 32, 32) as writer:
        writer.write(np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(SoundError, match="no sound track"):
        SoundReader(tmp_path / "mute.mp4")
    header_only = write_sound(tmp_path / "header.wav", tone(0.1), 16_000, "pcm_s16le")
    header_only.write_bytes(header_only.read_bytes()[:44])
    with pytest.raises(SoundError):
        measure_sound(SoundReader(header_only))


def test_a_damaged_stretch_leaves_the_rest_in_time(tmp_path):
    sound = np.concatenate([tone(1.0), tone(1.0, frequency=500), tone(1.0, frequency=330)])
    path = write_sound(tmp_path / "a.m4a", sound, 44_100, "aac")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 1500] = np.random.default_rng(0).integers(0, 256, 1500).astype(np.uint8).tobytes()
    path.write_bytes(bytes(content))
    read = load_sound(path)
    assert abs(lag(read[35_000:46_000], sound[35_000:46_000])) < 1000


def test_lossless_round_trip():
    sound = tone(0.7)
    for codec in ("flac", "wav"):
        buffer = io.BytesIO()
        encode_sound(sound, 16_000, buffer, codec)
        assert np.abs(decode_sound(buffer.getvalue()) - sound).max() < 1e-4


@pytest.mark.parametrize("kind", ["wav", "m4a", "mp3"])
def test_a_stretch_is_what_the_whole_sound_has_there(tmp_path, kind):
    codec = {"wav": "pcm_s16le", "m4a": "aac", "mp3": "libmp3lame"}[kind]
    swelling = tone(12.0) * np.linspace(0.2, 1, 12 * 16_000, dtype=np.float32)
    path = write_sound(tmp_path / f"long.{kind}", swelling, 44_100, codec)
    whole = load_sound(path)
    part = load_sound(path, start=7.3, seconds=1.5)
    expected = whole[round(7.3 * 16_000) :][: round(1.5 * 16_000)]
    assert len(part) == len(expected)
    assert abs(lag(part, expected)) <= 2, "in samples; encoders' frames may shift a stretch by less than a sample"
    assert np.abs(part[200:] - expected[200:]).max() < 0.02
