"""Marks of synthetic media: what is written, what survives, what is found again."""

import json
import logging
import resource
import subprocess
import sys

import av
import cv2
import numpy as np
import PIL.Image
import pytest

from adaat_hf import AdaATPipelineOutput, VideoReader, VideoWriter, load_image
from adaat_hf.cli import main
from adaat_hf.marking import credentials, draw_label, inspect_file, label_score
from adaat_hf.marking.label import FOUND
from adaat_hf.marking.xmp import STATEMENT
from adaat_hf.processing.images import save_image


COMPOSITE = "compositeWithTrainedAlgorithmicMedia"
with_c2pa = pytest.mark.skipif(not credentials.can_sign(), reason="c2pa-python is not installed")


@pytest.fixture
def portrait(astronaut):
    return cv2.resize(astronaut, (320, 256), interpolation=cv2.INTER_AREA)


def write_video(path, picture, frames=10, mark=True, sound_from=None):
    with VideoWriter(path, 25, picture.shape[1], picture.shape[0], sound_from=sound_from, mark=mark) as writer:
        for number in range(frames):
            writer.write(np.roll(picture, 2 * number, axis=1))
    return path


@pytest.mark.parametrize("extent", [(64, 64), (256, 176), (720, 1280)])
def test_the_label_is_small_and_found_again(astronaut, extent):
    picture = cv2.resize(astronaut, extent[::-1], interpolation=cv2.INTER_AREA)
    labelled = draw_label(picture)
    changed = (labelled != picture).any(-1)
    assert 0 < changed.mean() < (0.12 if min(extent) < 100 else 0.03)
    assert not changed[: extent[0] // 2].any() and not changed[:, : extent[1] // 2].any()
    assert label_score(labelled) >= FOUND > label_score(picture)


def test_a_picture_too_small_for_the_label_stays_as_it_is():
    picture = np.full((10, 10, 3), 7, np.uint8)
    assert (draw_label(picture) == picture).all()


@pytest.mark.parametrize("scale", [0.75, 1.5, 2])
def test_the_label_is_found_in_resized_copies(astronaut, scale):
    copy = cv2.resize(draw_label(astronaut), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    assert label_score(copy) >= FOUND


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_pictures_carry_label_xmp_and_credentials(tmp_path, portrait, suffix):
    report = inspect_file(save_image(portrait, tmp_path / f"out{suffix}", mark=True))
    assert report.marked and report.has_label
    assert report.xmp_source_type == COMPOSITE and report.xmp_tool.startswith("adaat_hf")
    if credentials.can_sign():
        assert report.credentials.state == "Valid" and report.credentials.source_type == COMPOSITE
    assert [path.name for path in tmp_path.iterdir()] == [f"out{suffix}"]


def test_bmp_has_no_room_for_metadata_but_the_label(tmp_path, portrait):
    report = inspect_file(save_image(portrait, tmp_path / "out.bmp", mark=True))
    assert report.has_label and report.xmp_source_type is None and report.credentials is None


def test_unmarked_files_are_reported_as_such(tmp_path, portrait):
    for path in (
        save_image(portrait, tmp_path / "out.png"),
        write_video(tmp_path / "out.mp4", portrait, mark=False),
    ):
        report = inspect_file(path)
        assert not report.marked and report.label < FOUND
        assert report.xmp_source_type is None and report.credentials is None


def test_videos_carry_all_marks_and_still_play(tmp_path, portrait):
    path = write_video(tmp_path / "out.mp4", portrait)
    report = inspect_file(path)
    assert report.has_label and report.xmp_source_type == COMPOSITE
    assert credentials.can_sign() == (report.credentials is not None)
    assert len(list(VideoReader(path))) == 10
    with av.open(str(path)) as file:
        assert file.metadata["comment"] == STATEMENT
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat"), "browsers start to play before the whole file is there"


def test_the_label_and_the_comment_survive_another_muxer(tmp_path, portrait):
    path, copy = write_video(tmp_path / "out.mp4", portrait), tmp_path / "copy.mp4"
    with av.open(str(path)) as source, av.open(str(copy), "w") as target:
        target.metadata.update(source.metadata)
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    report = inspect_file(copy)
    assert report.marked and report.has_label and report.xmp_source_type is None
    with av.open(str(copy)) as file:
        assert file.metadata["comment"] == STATEMENT


def test_the_label_survives_strong_compression(tmp_path, astronaut):
    path = tmp_path / "out.mp4"
    with VideoWriter(path, 25, 512, 512, crf=35, mark=True) as writer:
        for number in range(5):
            writer.write(np.roll(astronaut, 3 * number, axis=1))
    assert inspect_file(path).has_label


@with_c2pa
@pytest.mark.parametrize("suffix", [".png", ".mp4"])
def test_changed_files_no_longer_match_their_credentials(tmp_path, portrait, suffix):
    path = tmp_path / f"out{suffix}"
    if suffix == ".mp4":
        write_video(path, portrait)
        place = path.read_bytes().index(b"mdat") + 2000
    else:
        save_image(portrait, path, mark=True)
        place = path.read_bytes().rindex(b"IDAT") + 50
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)
    found = credentials.read_credentials(path)
    assert found is not None and found.state == "Invalid"


@with_c2pa
def test_the_users_own_certificate_signs(tmp_path, portrait, monkeypatch):
    chain, key = credentials._own_certificate()
    (tmp_path / "chain.pem").write_bytes(chain)
    (tmp_path / "key.pem").write_bytes(key)
    credentials._own_certificate.cache_clear()
    monkeypatch.setenv(credentials.CERTIFICATE, str(tmp_path / "chain.pem"))
    monkeypatch.setenv(credentials.KEY, str(tmp_path / "key.pem"))
    save_image(portrait, tmp_path / "out.png", mark=True)
    assert credentials.read_credentials(tmp_path / "out.png").state == "Valid"
    assert credentials._own_certificate.cache_info().misses == 0, "no certificate was made"


@with_c2pa
def test_a_missing_certificate_is_named_and_the_other_marks_stay(tmp_path, portrait, monkeypatch, caplog):
    monkeypatch.setenv(credentials.CERTIFICATE, str(tmp_path / "none.pem"))
    with caplog.at_level(logging.WARNING):
        save_image(portrait, tmp_path / "out.png", mark=True)
    assert "none.pem" in caplog.text and "label and XMP only" in caplog.text
    report = inspect_file(tmp_path / "out.png")
    assert report.xmp_source_type == COMPOSITE and report.credentials is None


def test_without_c2pa_the_other_marks_stay(tmp_path, portrait, monkeypatch):
    monkeypatch.setattr("adaat_hf.marking.files.can_sign", lambda: False)
    report = inspect_file(save_image(portrait, tmp_path / "out.png", mark=True))
    assert report.has_label and report.xmp_source_type == COMPOSITE and report.credentials is None


def test_frames_in_memory_are_clean_and_saved_ones_marked(tmp_path, portrait):
    result = AdaATPipelineOutput([PIL.Image.fromarray(portrait)] * 3)
    assert label_score(np.asarray(result.frames[0])) < FOUND
    assert inspect_file(result.save(tmp_path / "out.mp4")).has_label
    unmarked = AdaATPipelineOutput([PIL.Image.fromarray(portrait)] * 3, mark=False)
    assert not inspect_file(unmarked.save(tmp_path / "plain.mp4")).marked


def test_inspect_on_the_command_line(tmp_path, portrait, capsys):
    path, plain = tmp_path / "out.png", tmp_path / "plain.png"
    save_image(portrait, path, mark=True)
    save_image(portrait, plain)
    assert main(["inspect", str(path)]) == 0
    assert "out.png: marked as synthetic" in capsys.readouterr().out
    assert main(["inspect", str(plain), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["marked"] is False
    (tmp_path / "text.mp4").write_text("no video")
    assert main(["inspect", str(tmp_path / "text.mp4")]) == 1
    assert "cannot be read as a video" in capsys.readouterr().err
    assert main(["inspect", str(tmp_path / "missing.png")]) == 1
    assert "does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("damage", [b"", b"\x00\x00\x00\x05uuid", b"\xff" * 64])
def test_damaged_boxes_are_not_read_beyond_the_file(tmp_path, damage):
    from adaat_hf.marking.xmp import read_packet

    path = tmp_path / "odd.mp4"
    path.write_bytes(damage)
    assert read_packet(path) is None


def test_a_full_disk_leaves_no_file(tmp_path):
    """A file size limit stands for the disk: writing beyond it fails with an operating system error."""
    code = f"""
import resource, signal, numpy as np
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from adaat_hf import VideoError, VideoWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
random = np.random.default_rng(0)
try:
    with VideoWriter({str(tmp_path / "out.mp4")!r}, 25, 320, 256, mark=True) as writer:
        for _ in range(60):
            writer.write(random.integers(0, 255, (256, 320, 3), np.uint8))
except VideoError as error:
    print("said:", error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert "said:" in done.stdout and "cannot be written" in done.stdout, done.stderr
    assert list(tmp_path.iterdir()) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 100_000


def test_marked_files_can_be_sources_again(tmp_path, portrait):
    path = save_image(portrait, tmp_path / "out.png", mark=True)
    again = save_image(load_image(path), tmp_path / "again.png", mark=True)
    assert inspect_file(again).has_label
