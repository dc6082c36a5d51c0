"""Loading from a Hub over HTTP, each time in a fresh process."""

import pytest
from loopback_hub import TOKEN


pytestmark = pytest.mark.slow
REPOSITORY = "org/tiny-face"
LOAD = f"""
from adaat_hf import {{cls}}
pipe = {{cls}}.from_pretrained("{REPOSITORY}"{{options}})
print(type(pipe).__name__, type(pipe.generator).__name__, pipe.generator.config.feature_channels, pipe.landmarker)
print(pipe.generator.dtype)
"""
LOADED = "FaceReenactmentPipeline AdaATGenerator 12 None"


def load(cls="AdaATPipeline", options="", repository=REPOSITORY):
    return LOAD.format(cls=cls, options=options).replace(REPOSITORY, repository)


def test_loads_from_the_hub_and_then_offline(hub, visitor, folder):
    hub.add(REPOSITORY, folder)
    status, lines, errors = visitor.run(load())
    assert status == 0, errors
    assert lines[-2] == LOADED
    asked = len(hub.requests)
    status, lines, errors = visitor.run(load() + load("FaceReenactmentPipeline"), HF_HUB_OFFLINE="1")
    assert status == 0, errors
    assert lines[-2] == lines[-4] == LOADED
    assert len(hub.requests) == asked, "offline means no request"


def test_an_empty_cache_offline_says_so(hub, visitor, folder):
    hub.add(REPOSITORY, folder)
    status, _, errors = visitor.run(load(), HF_HUB_OFFLINE="1")
    assert status != 0 and f"'{REPOSITORY}' is not in the cache" in errors.splitlines()[-1]
    assert not hub.requests


def test_a_hub_that_cannot_be_reached_is_named(hub, visitor, folder):
    hub.close()
    status, _, errors = visitor.run(load())
    assert status != 0 and f"{hub.address} cannot be reached" in errors.splitlines()[-1]
    status, _, errors = visitor.adaat("push", folder, REPOSITORY, HF_TOKEN=TOKEN)
    assert status == 1 and f"cannot be uploaded to {hub.address}" in errors.splitlines()[-1]


def test_diffusers_itself_loads_it_once_the_package_is_imported(hub, visitor, folder):
    hub.add(REPOSITORY, folder)
    code = f"""
import adaat_hf
from diffusers import DiffusionPipeline
pipe = adaat_hf.FaceReenactmentPipeline.from_pretrained("{REPOSITORY}", revision="main")
print(isinstance(pipe, DiffusionPipeline), sorted(name for name, part in pipe.components.items() if part is not None))
"""
    status, lines, errors = visitor.run(code)
    assert status == 0, errors
    assert lines[-1] == "True ['face_model', 'generator', 'image_processor']"


def test_unknown_repositories_are_named(visitor):
    status, _, errors = visitor.run(load(repository="org/none"))
    assert status != 0
    assert "ValueError: 'org/none' was not found" in errors.splitlines()[-1]


def test_private_repositories_need_a_token(hub, visitor, folder):
    hub.add(REPOSITORY, folder, private=True)
    status, _, errors = visitor.run(load())
    assert status != 0 and "is private. For a private repository log in" in errors.splitlines()[-1]
    status, lines, errors = visitor.run(load(), HF_TOKEN=TOKEN)
    assert status == 0, errors
    assert lines[-2] == LOADED


def test_revisions(hub, visitor, folder, tmp_path):
    repository = hub.add(REPOSITORY, folder)
    first = repository.branches["main"]
    (tmp_path / "model_index.json").write_text("{}")
    hub.add(REPOSITORY, tmp_path)
    status, _, errors = visitor.run(load())
    assert status != 0 and "is a None, expected one of" in errors.splitlines()[-1]
    status, lines, errors = visitor.run(load(options=f", revision='{first}'"))
    assert status == 0, errors
    status, _, errors = visitor.run(load(options=", revision='none'"))
    assert status != 0 and "none" in errors.splitlines()[-1]


def test_an_interrupted_download_goes_on_where_it_broke_off(hub, visitor, folder):
    hub.add(REPOSITORY, folder)
    weights = "generator/model.safetensors"
    hub.cut[weights] = 10_000
    status, lines, errors = visitor.run(load())
    assert status == 0, errors
    assert lines[-2] == LOADED
    assert sum(weights in request and request.startswith("GET") for request in hub.requests) == 2


def test_damaged_weights_are_named_and_can_be_loaded_again(hub, visitor, folder):
    hub.add(REPOSITORY, folder)
    status, _, errors = visitor.run(load())
    assert status == 0, errors
    (stored,) = visitor.home.rglob("snapshots/*/generator/model.safetensors")
    blob = stored.resolve()
    blob.write_bytes(blob.read_bytes()[: blob.stat().st_size // 2])
    status, _, errors = visitor.run(load())
    assert status != 0
    assert f"The weights of the component 'generator' of '{REPOSITORY}' are damaged" in errors.splitlines()[-1]
    status, lines, errors = visitor.run(load(options=", force_download=True"))
    assert status == 0, errors
    assert lines[-2] == LOADED


def test_mediapipes_model_can_come_from_the_hub(hub, visitor, folder):
    hub.add(REPOSITORY, folder)
    code = f"""
from adaat_hf.processing.landmarks_mediapipe import fetch_model
print(fetch_model("hub:{REPOSITORY}").read_bytes())
try:
    fetch_model("hub:org/none")
except ValueError as error:
    print(str(error).splitlines()[0])
"""
    status, lines, errors = visitor.run(code)
    assert status == 0, errors
    assert lines[0] == "b'a model'" and lines[1].startswith("The MediaPipe model cannot be had from 'hub:org/none'")
