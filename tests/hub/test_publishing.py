"""Pushing to a Hub over HTTP, and what others can do with it afterwards."""

import json

import pytest
import yaml
from conftest import ROOT
from loopback_hub import TOKEN

from adaat_hf.hub import TASKS, entry_files, make_card
from adaat_hf.hub.cards import plain_card, read_scores
from adaat_hf.hub.publishing import PublishError, publish


REPOSITORY = "org/tiny-face"


@pytest.mark.parametrize("name", sorted(TASKS))
def test_the_folders_under_pipelines_are_what_is_published(name):
    folder = ROOT / "pipelines" / TASKS[name].folder
    again = "run python scripts/push_to_hub.py --write-templates"
    assert (folder / "README.md").read_text() == plain_card(name), again
    assert (folder / "pipeline.py").read_text() == entry_files({"_class_name": name})["pipeline.py"], again


def test_cards_state_licence_scores_use_and_misuse(tmp_path):
    path = tmp_path / "scores.json"
    path.write_text(json.dumps({"copy": {"ssim": 0.6}, "ours": {"ssim": 0.71234, "lpips": 0.16, "missing": 0.0}}))
    card = make_card(
        "TalkingFacePipeline", "org/talk", licence="cc-by-nc-4.0", scores=read_scores(path), training="Two clips.",
        dataset="held-out clips",
    )  # fmt: skip
    data = yaml.safe_load(str(card).split("---")[1])
    assert data["license"] == "cc-by-nc-4.0" and data["library_name"] == "adaat-hf"
    metrics = data["model-index"][0]["results"][0]["metrics"]
    assert {metric["type"]: metric["value"] for metric in metrics} == {"ssim": 0.7123, "lpips": 0.16}
    text = str(card)
    assert "Two clips." in text and "| ours | 0.7123 | 0.1600 |" in text and "| copy | 0.6000 |  |" in text
    assert "**Not for**: putting words into anybody's mouth" in text and 'from_pretrained("org/talk")' in text


def test_scores_come_from_evaluations_too(tmp_path):
    path = tmp_path / "results.json"
    means = {"ssim": {"value": 0.7, "low": 0.6, "high": 0.8}}
    path.write_text(
        json.dumps({"protocol": "adaat-paper", "dataset": "clips", "settings": {}, "methods": {"ours": means}})
    )
    assert read_scores(path) == {"ours": {"ssim": 0.7}}


def test_files_without_scores_are_refused(tmp_path):
    path = tmp_path / "scores.json"
    for content in ("[1, 2]", "no json", '{"a": {"ssim": "high"}}'):
        path.write_text(content)
        with pytest.raises(ValueError, match="scores.json"):
            read_scores(path)


def test_only_pipelines_are_published(tmp_path):
    with pytest.raises(PublishError, match="no pipeline folder"):
        publish(tmp_path, REPOSITORY)
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    with pytest.raises(PublishError, match="'StableDiffusionPipeline', expected one of"):
        publish(tmp_path, REPOSITORY)


USE = f"""
from diffusers import DiffusionPipeline
pipe = DiffusionPipeline.from_pretrained("{REPOSITORY}", custom_pipeline="{REPOSITORY}", trust_remote_code=TRUST)
import adaat_hf
print(type(pipe) is adaat_hf.FaceReenactmentPipeline, type(pipe.generator) is adaat_hf.AdaATGenerator)
"""


@pytest.mark.slow
def test_push_and_load_by_every_door(hub, visitor, folder):
    status, lines, errors = visitor.adaat("push", folder, REPOSITORY, "--fp16", "--licence", "mit", HF_TOKEN=TOKEN)
    assert status == 0, errors
    repository = hub.repositories[REPOSITORY]
    files = repository.commits[repository.branches["main"]]
    assert lines[-1].endswith(repository.branches["main"])
    for name in ("pipeline.py", "generator/adaat_hf.py", "generator/model.fp16.safetensors", "README.md"):
        assert name in files
    assert b"license: mit" in files["README.md"]
    status, lines, errors = visitor.run(USE.replace("TRUST", "True"))
    assert status == 0, errors
    assert lines[-1] == "True True"
    status, lines, errors = visitor.run(USE.replace("TRUST", "False"))
    assert status != 0 and "trust_remote_code" in errors
    code = f"""
import torch
from adaat_hf import AdaATPipeline
plain = AdaATPipeline.from_pretrained("{REPOSITORY}")
half = AdaATPipeline.from_pretrained("{REPOSITORY}", variant="fp16", dtype=torch.float16)
print(plain.generator.dtype, half.generator.dtype)
pairs = zip(plain.generator.parameters(), half.generator.parameters(), strict=True)
print(max((a - b.float()).abs().max().item() for a, b in pairs) < 2e-3)
"""
    status, lines, errors = visitor.run(code)
    assert status == 0, errors
    assert lines[-2:] == ["torch.float32 torch.float16", "True"], "no trust is needed with the package"


@pytest.mark.slow
def test_pushing_again_drops_what_is_gone_and_keeps_what_is_others(hub, visitor, folder, tmp_path):
    (tmp_path / "notes.txt").write_text("kept")
    (tmp_path / "old.safetensors").write_bytes(b"stale")
    hub.add(REPOSITORY, tmp_path)
    code = f"""
from adaat_hf import AdaATPipeline
pipe = AdaATPipeline.from_pretrained({str(folder)!r})
print(pipe.push_to_hub("{REPOSITORY}", revision="next", commit_message="again"))
"""
    status, lines, errors = visitor.run(code, HF_TOKEN=TOKEN)
    assert status == 0, errors
    repository = hub.repositories[REPOSITORY]
    files = repository.commits[repository.branches["next"]]
    assert "old.safetensors" not in files and files["notes.txt"] == b"kept"
    assert b"# Face reenactment with AdaAT" in files["README.md"]
    assert "old.safetensors" in repository.commits[repository.branches["main"]], "other branches stay as they are"


@pytest.mark.slow
def test_without_a_token_the_refusal_is_clear(hub, visitor, folder):
    status, _, errors = visitor.adaat("push", folder, REPOSITORY)
    assert status == 1
    assert f"adaat: '{REPOSITORY}' cannot be uploaded" in errors and "Traceback" not in errors
    assert not hub.repositories


@pytest.mark.slow
def test_private_repositories_stay_private(hub, visitor, folder):
    status, _, errors = visitor.adaat("push", folder, REPOSITORY, "--private", HF_TOKEN=TOKEN)
    assert status == 0, errors
    assert hub.repositories[REPOSITORY].private
