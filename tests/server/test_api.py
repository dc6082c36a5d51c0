"""The HTTP interface: answers, refusals, limits, and that it keeps to its own description under odd requests."""

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import gettempdir

import numpy as np
import PIL.Image
import pytest

from adaat_hf import VideoReader, VideoWriter
from adaat_hf.marking import inspect_file
from adaat_hf.processing.sound import load_sound


pytest.importorskip("fastapi", reason="needs fastapi")
pytest.importorskip("multipart", reason="needs python-multipart")
from starlette.testclient import TestClient  # noqa: E402

from adaat_hf.server import build_api  # noqa: E402
from adaat_hf.server.jobs import Busy, Jobs, TooSlow  # noqa: E402
from adaat_hf.serving import ServingLimits  # noqa: E402


LIMITS = ServingLimits(max_seconds=4, max_upload_megabytes=2, max_size=320, max_run_seconds=120, queue_size=2)


@pytest.fixture(scope="module")
def client(studio):
    with TestClient(build_api(studio, LIMITS), raise_server_exceptions=False) as opened:
        yield opened


def post(client, task, files, **fields):
    opened = {name: (Path(path).name, Path(path).read_bytes()) for name, path in files.items()}
    return client.post(f"/v1/{task}", files=opened, data=fields)


def kept(answer, path):
    path.write_bytes(answer.content)
    return path


def test_health(client):
    assert client.get("/health").json() == {"status": "ok", "device": "cpu", "max_seconds": 4.0, "max_megabytes": 2}


@pytest.mark.slow
def test_reenact(client, files, tmp_path):
    answer = post(
        client, "reenact", {"photo": files["photo"], "driving": files["driver"]}, control="expression", mouth=1.2
    )
    assert answer.status_code == 200 and answer.headers["content-type"] == "video/mp4"
    path = kept(answer, tmp_path / "out.mp4")
    assert len(list(VideoReader(path))) == 8 and inspect_file(path).marked
    assert len(load_sound(path)) > 14_000
    assert not list(Path(gettempdir()).glob("adaat-serve-*"))


@pytest.mark.slow
def test_talk_pose_and_person(client, files, tmp_path):
    answer = post(client, "talk", {"photo": files["photo"], "sound": files["voice"]}, emotion="happy", seed=3)
    assert len(list(VideoReader(kept(answer, tmp_path / "talk.mp4")))) == 25
    answer = post(client, "pose", {"photo": files["figure"], "driving": files["wave"]}, swap="false")
    assert len(list(VideoReader(kept(answer, tmp_path / "pose.mp4")))) == 6
    answer = post(client, "person", {"photo": files["figure"], "pose": files["pose"]})
    assert answer.headers["content-type"] == "image/png"
    assert PIL.Image.open(io.BytesIO(answer.content)).size == (176, 256)


def test_refusals(client, files, tmp_path):
    blank, text, long = tmp_path / "blank.png", tmp_path / "text.mp4", tmp_path / "long.mp4"
    PIL.Image.new("RGB", (200, 200), "gray").save(blank)
    text.write_text("no video")
    with VideoWriter(long, 5, 64, 48) as writer:
        for _ in range(30):
            writer.write(np.zeros((48, 64, 3), np.uint8))
    photo, motion = files["photo"], files["motion"]
    for given, status, sentence in (
        ({"photo": blank, "driving": motion}, 422, "No face was found"),
        ({"photo": photo, "driving": text}, 422, "'driving.mp4' cannot be read as a video"),
        ({"photo": photo, "driving": long}, 422, "lasts 6 seconds; at most 4 seconds are taken here."),
        ({"photo": motion, "driving": motion}, 415, "The file of 'photo' ends in '.safetensors'"),
        ({"photo": photo, "driving": files["wave"]}, 422, "driving.safetensors"),
    ):
        answer = post(client, "reenact", given)
        assert answer.status_code == status and sentence in answer.json()["detail"]
        assert gettempdir() not in answer.text
    assert post(client, "reenact", {"photo": photo, "driving": motion}, mouth=7).status_code == 422
    assert post(client, "reenact", {"photo": photo}).status_code == 422
    assert not list(Path(gettempdir()).glob("adaat-serve-*"))


def test_names_of_files_lead_nowhere(client, files):
    opened = {
        "photo": ("../../../etc/cron.d/evil.png", Path(files["photo"]).read_bytes()),
        "driving": ("/etc/passwd", Path(files["motion"]).read_bytes()),
    }
    answer = client.post("/v1/reenact", files=opened)
    assert answer.status_code == 415 and "ends in ''" in answer.json()["detail"]


def test_large_requests_are_refused_however_they_come(client):
    large = bytes(3 << 20)
    assert client.post("/v1/reenact", files={"photo": ("a.png", large)}).status_code == 413
    start = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a.png"\r\n\r\n'
    chunks = (start if not number else large[:100_000] for number in range(40))
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert client.post("/v1/reenact", content=chunks, headers=headers).status_code == 413


def test_more_requests_than_may_wait_are_sent_away():
    jobs, entered, leave = Jobs(1, 30), threading.Event(), threading.Event()

    def hold():
        with jobs.run():
            entered.set()
            leave.wait(10)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(hold)
        entered.wait(5)
        second = pool.submit(hold)
        time.sleep(0.2)
        with pytest.raises(Busy), jobs.run():
            pass
        leave.set()
        first.result()
        second.result()
    with jobs.run() as step:
        assert step(None, 0, 1, {"images": 1}) == {"images": 1}


def test_runs_and_waiting_end_in_time(client, studio, files):
    jobs = Jobs(5, 0.05)
    with jobs.run() as step:
        time.sleep(0.1)
        with pytest.raises(TooSlow):
            step(None, 0, 1, {})
        with pytest.raises(TooSlow), jobs.run():
            pass
    hasty = TestClient(build_api(studio, ServingLimits(max_run_seconds=0.01)), raise_server_exceptions=False)
    answer = post(hasty, "reenact", {"photo": files["photo"], "driving": files["motion"]})
    assert answer.status_code == 504 and "too long" in answer.json()["detail"]


schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis")
hypothesis = pytest.importorskip("hypothesis")


@pytest.mark.slow
def test_it_keeps_to_its_description(studio):
    """Schemathesis makes up requests from the OpenAPI description, and checks that the answers are among those it states.

    That bytes of a file show no face, a description cannot say, so the check that valid requests are accepted is left out.
    """
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    schema = schemathesis.openapi.from_asgi("/openapi.json", build_api(studio, LIMITS))
    operations = [result.ok() for result in schema.get_all_operations()]
    assert {operation.path for operation in operations} >= {"/health", "/v1/reenact", "/v1/talk", "/v1/pose"}
    for operation in operations:

        @hypothesis.settings(max_examples=25, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
        @hypothesis.given(case=operation.as_strategy())
        def keeps(case):
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        keeps()
