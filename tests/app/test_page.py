"""The page's four tasks, called over HTTP as a browser does, but without one."""

import struct
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import gettempdir

import httpx
import numpy as np
import PIL.Image
import psutil
import pytest
from app.conftest import MAX_MEGABYTES, MAX_SECONDS
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from adaat_hf import VideoError, VideoReader, VideoWriter
from adaat_hf.marking import inspect_file
from adaat_hf.processing.sound import load_sound


pytestmark = pytest.mark.slow


def given(path):
    return None if path is None else handle_file(path)


def reenact(client, photo, driver=None, template=None, choice="largest", compare=False):
    return client.submit(
        given(photo), given(driver), given(template), choice, "both", "relative", 1, 1, 1, 1, compare,
        api_name="/reenact",
    )  # fmt: skip


@pytest.fixture(scope="module")
def client(address):
    return Client(address, verbose=False)


def path_of(value):
    """The file of an output, which gradio_client gives as a path, or as an update that holds one."""
    while isinstance(value, dict):
        value = value["video"] if "video" in value else value["value"]
    return value


def test_reenact_with_a_video(client, files):
    result, side, download, status = reenact(client, files["photo"], driver=files["driver"], compare=True).result()
    frames = list(VideoReader(path_of(result)))
    assert len(frames) == 8 and frames[0].shape == (320, 320, 3)
    assert len(list(VideoReader(path_of(side)))) == 8
    assert len(load_sound(path_of(result))) == pytest.approx(16_000, abs=1_500)
    assert inspect_file(path_of(result)).marked and inspect_file(path_of(side)).marked
    assert "8 frames on cpu" in status


def test_reenact_with_a_template_reports_progress(client, files):
    job = reenact(client, files["photo"], template=files["motion"])
    job.result()
    texts = [str(output[-1]) for output in job.outputs()]
    assert any("reading photograph" in text or "of 6 frames on cpu" in text for text in texts[:-1])


def test_talk(client, files):
    result, _, status = client.predict(
        given(files["photo"]), given(files["voice"]), "largest", "happy", 1, "generated", 3, 1, 1, 1, 1,
        api_name="/talk",
    )  # fmt: skip
    assert len(list(VideoReader(path_of(result)))) == 25
    assert len(load_sound(path_of(result))) == pytest.approx(16_000, abs=1_500)


def test_pose(client, files):
    result, side, _, status = client.predict(
        given(files["figure"]), None, None, given(files["wave"]), "largest", "relative", True, True, api_name="/pose"
    )
    assert len(list(VideoReader(path_of(result)))) == 6 == len(list(VideoReader(path_of(side))))
    assert inspect_file(path_of(result)).marked


def test_person(client, files):
    picture, overview, status = client.predict(
        given(files["figure"]), None, None, given(files["pose"]), "largest", "person", api_name="/person"
    )
    assert PIL.Image.open(picture).size == (176, 256) and PIL.Image.open(overview).size == (3 * 176, 256)
    assert inspect_file(picture).marked


def bomb(path):
    """A PNG of a few kilobytes that says it is 60,000 x 60,000 pixels."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1_000_000), 9)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b""))
    return str(path)


def bad_inputs(folder, files):
    """Inputs of `reenact` and what the page says of them."""
    blank, text, long = folder / "blank.png", folder / "text.mp4", folder / "long.mp4"
    PIL.Image.new("RGB", (200, 200), "gray").save(blank)
    text.write_text("no video")
    with VideoWriter(long, 5, 64, 48) as writer:
        for _ in range(5 * (MAX_SECONDS + 2)):
            writer.write(np.zeros((48, 64, 3), np.uint8))
    photo, driver, motion = files["photo"], files["driver"], files["motion"]
    return [
        ((None, driver, None), "A photograph of a face is missing."),
        ((photo, None, None), "A driving video, or a file with a motion, is missing."),
        ((str(blank), None, motion), "No face was found in the source picture"),
        ((photo, str(long), None), f"at most {MAX_SECONDS} seconds are taken here"),
        ((photo, None, files["wave"]), "wave.safetensors"),
        ((photo, str(text), None), "'text.mp4' cannot be read as a video"),
    ]


def test_bad_inputs_get_a_sentence_without_the_servers_folders(client, files, tmp_path):
    for (photo, driver, template), sentence in bad_inputs(tmp_path, files):
        with pytest.raises(AppError) as caught:
            reenact(client, photo, driver, template).result()
        assert sentence in str(caught.value)
        assert "/tmp" not in str(caught.value)


def test_a_picture_that_claims_to_be_huge_is_refused_without_memory(client, files, tmp_path):
    before = psutil.Process().memory_info().rss
    with pytest.raises(AppError):
        reenact(client, bomb(tmp_path / "bomb.png"), template=files["motion"]).result()
    assert psutil.Process().memory_info().rss - before < 400e6


def test_a_photograph_of_twenty_megabytes(client, files, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (2600, 2600, 3), np.uint8)
    photo = np.asarray(PIL.Image.open(files["photo"]).resize((1300, 1300)))
    noise[600:1900, 600:1900] = photo
    PIL.Image.fromarray(noise).save(tmp_path / "large.png")
    assert (tmp_path / "large.png").stat().st_size > 15e6
    result = reenact(client, str(tmp_path / "large.png"), template=files["motion"]).result()[0]
    assert max(next(iter(VideoReader(path_of(result)))).shape) == 320


def test_uploads_are_limited_and_stay_where_they_belong(address):
    upload = f"{address}gradio_api/upload"
    too_large = httpx.post(upload, files={"files": ("a.bin", bytes((MAX_MEGABYTES + 1) << 20))})
    assert too_large.status_code == 413
    tricky = httpx.post(upload, files={"files": ("../../../evil.png", b"evil")})
    assert tricky.status_code == 200
    stored = Path(tricky.json()[0]).resolve()
    assert stored.name == "evil.png" and "gradio" in stored.parts and ".." not in tricky.json()[0]
    for path in ("/etc/passwd", f"{stored.parent}/../../../../etc/passwd"):
        assert httpx.get(f"{address}gradio_api/file={path}").status_code in (403, 404)


def test_ten_visitors_at_once_get_their_own_results(address, files, tmp_path):
    photo = np.asarray(PIL.Image.open(files["photo"]))
    process = psutil.Process()

    def visit(number):
        tinted = photo.copy()
        tinted[:40, :40] = 20 * number, 255 - 20 * number, 100
        path = tmp_path / f"visitor{number}.png"
        PIL.Image.fromarray(tinted).save(path)
        client = Client(address, verbose=False)
        result = reenact(client, str(path), template=files["motion"]).result()[0]
        corner = next(iter(VideoReader(path_of(result))))[5:30, 5:30].reshape(-1, 3).mean(0)
        return np.abs(corner - [20 * number, 255 - 20 * number, 100]).max()

    with ThreadPoolExecutor(10) as pool:
        errors = list(pool.map(visit, range(10)))
        # By now each thread has the memory that the C library keeps for it.
        before = process.memory_info().rss
        errors += pool.map(visit, range(4))
    assert max(errors) < 8
    assert process.memory_info().rss - before < 200e6


def test_four_thousand_pixels_and_an_hour_are_bounded(client, files, tmp_path):
    large, hour = tmp_path / "large.mp4", tmp_path / "hour.mp4"
    photo = np.asarray(PIL.Image.open(files["photo"]).resize((2160, 2160)))
    with VideoWriter(large, 5, 3840, 2160) as writer:
        for number in range(3):
            writer.write(np.pad(np.roll(photo, 20 * number, 1), ((0, 0), (840, 840), (0, 0))))
    with VideoWriter(hour, 1, 64, 48) as writer:
        for _ in range(3600):
            writer.write(np.zeros((48, 64, 3), np.uint8))
    before = psutil.Process().memory_info().rss
    result = reenact(client, files["photo"], driver=str(large), compare=True).result()
    assert len(list(VideoReader(path_of(result[0])))) == 3
    assert psutil.Process().memory_info().rss - before < 900e6
    with pytest.raises(AppError, match="lasts 3600 seconds"):
        reenact(client, files["photo"], driver=str(hour)).result()


def test_a_full_disk_is_a_sentence_and_leaves_nothing(client, files, monkeypatch):
    def full(writer, packets):
        raise VideoError(f"{str(writer.path)!r} cannot be written: [Errno 28] No space left on device.")

    monkeypatch.setattr(VideoWriter, "_mux", full)
    with pytest.raises(AppError) as caught:
        reenact(client, files["photo"], template=files["motion"]).result()
    assert "'reenacted.mp4' cannot be written: [Errno 28] No space left on device." in str(caught.value)
    assert not list(Path(gettempdir()).glob("adaat-app-*"))


def test_uploads_are_deleted_after_a_while(studio, files, tmp_path, monkeypatch):
    from adaat_hf.app import ServingLimits, build_app, launch_app

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    app = build_app(studio, ServingLimits(keep_seconds=2))
    _, url, _ = launch_app(app, prevent_thread_lock=True, quiet=True)
    try:
        sent = httpx.post(f"{url}gradio_api/upload", files={"files": ("a.png", Path(files["photo"]).read_bytes())})
        stored = Path(sent.json()[0])
        assert stored.exists() and stored.is_relative_to(tmp_path)
        deadline = time.monotonic() + 20
        while stored.exists():
            assert time.monotonic() < deadline
            time.sleep(0.2)
    finally:
        app.close()


def test_a_visitor_who_leaves_stops_the_work(address, files):
    client = Client(address, verbose=False)
    job = client.submit(
        given(files["photo"]), given(files["voice"]), "largest", "happy", 1, "generated", 3, 1, 1, 1, 1,
        api_name="/talk",
    )  # fmt: skip
    for _ in range(200):
        if [thread for thread in threading.enumerate() if thread.name == "adaat-run"]:
            break
        time.sleep(0.05)
    else:
        pytest.fail("the run did not start")
    job.cancel()
    deadline = time.monotonic() + 30
    while [thread for thread in threading.enumerate() if thread.name == "adaat-run"]:
        assert time.monotonic() < deadline, "the run goes on"
        time.sleep(0.1)
    while list(Path(gettempdir()).glob("adaat-app-*")):
        assert time.monotonic() < deadline, "the run's folder is still there"
        time.sleep(0.1)
