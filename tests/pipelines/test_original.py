"""The authors' person checkpoint becomes a pipeline that gives the released network's pictures; others are refused."""

import sys

import numpy as np
import PIL.Image
import pytest
import torch
from conftest import draw_person
from safetensors.torch import load_file

from adaat_hf import AdaATDiscriminator, AdaATPipeline, convert_original_checkpoint
from adaat_hf.cli import main


@pytest.fixture(scope="module")
def parity(shared):
    sys.path.insert(0, str(shared / "parity"))
    from state_dict import build

    return shared / "parity", build


@pytest.fixture(scope="module")
def released(parity, tmp_path_factory):
    """A file in the form of `person_epoch_40.pth`, as PyTorch's data-parallel training of that time wrote it."""
    _, build = parity
    path = tmp_path_factory.mktemp("released") / "person_epoch_40.pth"
    networks = {
        "net_g": {f"module.{key}": value for key, value in build("person").items()},
        "net_d": {f"module.{key}": value for key, value in build("discriminator").items()},
    }
    optimizer = {"net_g": {"state": {0: {"step": 3, "exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 1e-4}]}}
    torch.save({"epoch": 40, "state_dict": networks, "optimizer": optimizer}, path)
    return path


@pytest.fixture(scope="module")
def converted(released, tmp_path_factory):
    output = tmp_path_factory.mktemp("converted") / "out"
    assert main(["convert", str(released), str(output)]) == 0
    return output


@pytest.fixture(scope="module")
def pipe(converted):
    pipeline = AdaATPipeline.from_pretrained(converted)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def test_the_folder_is_complete(converted):
    files = {str(path.relative_to(converted)) for path in converted.rglob("*") if path.is_file()}
    assert {"model_index.json", "README.md", "generator/model.safetensors", "discriminator/model.safetensors"} <= files
    assert {"body_landmarker/model.safetensors", "image_processor/preprocessor_config.json"} <= files
    card = (converted / "README.md").read_text()
    assert "epoch 40" in card and "do not publish this folder" in card


@pytest.mark.parametrize("golden", ["person_96x64", "person_160x96_missing"])
def test_the_pipeline_gives_the_golden_pictures(parity, pipe, golden):
    """Key points go in as pixels; the processor normalises them as the released code did, missing ones included."""
    data = load_file(parity[0] / f"{golden}.safetensors")
    picture = data["source"].flip(1)
    height, width = picture.shape[2:]
    extent = torch.tensor([width, height])
    here, there = ((data[f"{role}_keypoints"] + 1) / 2 * extent for role in ("source", "driving"))
    missing = (there < 0).all(-1)
    assert bool(missing.any()) == ("missing" in golden)
    processor = pipe.image_processor
    prepared = [processor.prepare_keypoints(points, seen, height, width) for points, seen in (
        (here, torch.ones(here.shape[:2])), (there, (~missing).float()),
    )]  # fmt: skip
    with torch.no_grad():
        images = pipe.generator(picture, prepared[0][0], prepared[1][0], prepared[0][1], prepared[1][1]).images
    torch.testing.assert_close(images.flip(1), data["output"], atol=1e-4, rtol=0)


def test_the_discriminator_is_converted(parity, converted):
    data = load_file(parity[0] / "discriminator_96x80.safetensors")
    model = AdaATDiscriminator.from_pretrained(converted / "discriminator")
    with torch.no_grad():
        torch.testing.assert_close(model.judge(data["input"]), data["output"], atol=1e-4, rtol=0)


@pytest.mark.slow
def test_it_paints_persons(pipe, standing_pose):
    photo = draw_person(standing_pose * [176, 256], 256, 176, np.random.default_rng(0).integers(0, 255, (6, 3)))
    pose = standing_pose * [176, 256]
    images = pipe(photo, pose.tolist(), source_pose=pose.tolist(), output_type="np").images
    assert images.shape == (1, 256, 176, 3)
    other = pipe(photo, pose.tolist(), source_pose=pose.tolist(), height=128, width=88, output_type="np").images
    assert other.shape == (1, 128, 88, 3) and other.std() > 0.01
    with pytest.raises(ValueError, match="multiples of 4|divisible by 4"):
        pipe(photo, pose.tolist(), source_pose=pose.tolist(), height=130, width=88)


def test_other_files_are_refused(parity, released, tmp_path):
    _, build = parity
    with pytest.raises(FileNotFoundError, match=r"none.pth' does not exist"):
        convert_original_checkpoint(tmp_path / "none.pth", tmp_path / "out")
    (tmp_path / "text.pth").write_text("no checkpoint")
    with pytest.raises(ValueError, match="cannot be read as a checkpoint of plain tensors"):
        convert_original_checkpoint(tmp_path / "text.pth", tmp_path / "out")
    torch.save({"model": {}}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"holds \['model'\], expected 'state_dict' with \['net_g', 'net_d'\]"):
        convert_original_checkpoint(tmp_path / "other.pth", tmp_path / "out")
    torch.save({"state_dict": {"net_g": build("face"), "net_d": build("discriminator")}}, tmp_path / "face.pth")
    with pytest.raises(ValueError, match="for 68 key points; only the person network"):
        convert_original_checkpoint(tmp_path / "face.pth", tmp_path / "out")
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]


class Harmful:
    """Would create a file if it were unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_nothing_in_the_file_is_run(tmp_path):
    torch.save(
        {"epoch": 1, "state_dict": {"net_g": {}, "net_d": {}}, "x": Harmful(tmp_path / "mark")}, tmp_path / "x.pth"
    )
    with pytest.raises(ValueError, match="cannot be read as a checkpoint of plain tensors"):
        convert_original_checkpoint(tmp_path / "x.pth", tmp_path / "out")
    assert not (tmp_path / "mark").exists()


def test_a_folder_with_files_is_not_overwritten(released, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="exists and is not empty"):
        convert_original_checkpoint(released, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_broken_weights_are_named(parity, tmp_path, capsys):
    _, build = parity
    weights = build("person")
    weights.pop(next(iter(weights)))
    torch.save({"state_dict": {"net_g": weights, "net_d": build("discriminator")}}, tmp_path / "part.pth")
    assert main(["convert", str(tmp_path / "part.pth"), str(tmp_path / "out")]) == 1
    assert "has no 'appearance_encoder" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_poses_of_another_length_are_refused(pipe, standing_pose):
    with pytest.raises(ValueError, match="16 points"):
        pipe(
            PIL.Image.new("RGB", (176, 256)),
            (standing_pose[:16] * 200).tolist(),
            source_pose=(standing_pose * 170).tolist(),
        )
