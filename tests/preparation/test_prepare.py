"""From the published layouts to shards: contents, manifests, continuation, and who makes the shards."""

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest
from filelock import FileLock
from miniatures import portrait, write_video
from tiny_training import arguments, person_arguments

from adaat_hf.cli import main
from adaat_hf.preparation.manifest import LEFT_OUT, read_manifest
from adaat_hf.preparation.prepare import LOCK, list_dataset, prepare_dataset
from adaat_hf.preparation.settings import PreparationSettings
from adaat_hf.preparation.shards import clip_hash, file_hash, read_clips
from adaat_hf.training.packs import read_packs
from adaat_hf.training.trainer import Trainer


SETTINGS = PreparationSettings(size=(64, 64))


def hashes(folder):
    return {path.relative_to(folder): file_hash(path) for path in folder.rglob("*.tar")}


@pytest.mark.slow
def test_every_layout_becomes_shards_with_a_manifest(prepared):
    expected = {
        "voxceleb": {"train": (4, 3, 22_496), "test": (1, 1, 525)},
        "hdtf": None,
        "iper": {"train": (3, 2, 185), "test": (1, 1, 21)},
        "deepfashion": {"train": (5, 3, 101_966), "test": (2, 2, 8_570)},
    }
    for name, splits in expected.items():
        manifest = read_manifest(prepared / name)
        assert manifest["licence"] and manifest["consent"] and manifest["versions"]["adaat-hf"]
        found = {split: (s["listed"], s["prepared"], s["published"]) for split, s in manifest["splits"].items()}
        assert splits is None or found == splits
        for shard in manifest["shards"]:
            path = prepared / name / f"{shard['name']}.tar"
            assert file_hash(path) == shard["sha256"] and path.stat().st_size == shard["bytes"]
            assert len(list(read_clips(path))) == shard["clips"]
    hdtf = read_manifest(prepared / "hdtf")["splits"]
    assert sum(split["prepared"] for split in hdtf.values()) == 4 and all(
        s["published"] is None for s in hdtf.values()
    )
    with open(prepared / "voxceleb" / LEFT_OUT, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["kind"] for row in rows] == ["missing", "missing"] and "youtube" in rows[0]["address"]


@pytest.mark.slow
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("name", ["voxceleb", "hdtf", "iper", "deepfashion"])
def test_prepared_data_is_trained_on(prepared, backbone, tmp_path, name, streaming):
    face = name in ("voxceleb", "hdtf")
    make, size = (arguments, 64) if face else (person_arguments, [64, 64] if name == "iper" else [256, 176])
    held_out = prepared / name / "test"
    args = make(
        prepared / name / "train", backbone, tmp_path / "run", resolution=size, streaming=streaming, max_steps=2,
        batch_size=1, validation_data=str(held_out) if held_out.is_dir() else None,
        lpips_backbone=str(backbone / "alexnet.safetensors"), perceptual_scales=[0.25], log_with="none",
    )  # fmt: skip
    trainer = Trainer(args)
    item = next(iter(trainer.task.dataset)) if streaming else trainer.task.dataset[0]
    assert tuple(item["source"].shape) == (3, *args.size) and item["driving_keypoints"].abs().max() < 2
    trainer.train()
    assert trainer.step == 2


@pytest.mark.slow
def test_of_deepfashion_only_published_pairs_are_drawn(prepared, backbone, tmp_path):
    args = person_arguments(
        prepared / "deepfashion" / "train", backbone, tmp_path, resolution=[256, 176], augment=False,
        validation_data=str(prepared / "deepfashion" / "test"),
        lpips_backbone=str(backbone / "alexnet.safetensors"),
    )  # fmt: skip
    task = Trainer(args).task
    (clip,) = read_packs(prepared / "deepfashion" / "train")
    pictures = [frame.tobytes() for frame in clip.frames(range(3))]
    drawn = set()
    for number in range(30):
        item = task.dataset[number]
        both = (
            item[role].permute(1, 2, 0).mul(255).round().byte().numpy().tobytes() for role in ("source", "driving")
        )
        drawn.add(tuple(pictures.index(picture) for picture in both))
    assert drawn == {(0, 1), (1, 0), (2, 0)}
    assert len(list(task.validation_pairs())) == 2


def test_clips_of_another_form_are_refused_by_training(prepared, backbone, tmp_path):
    args = person_arguments(prepared / "iper" / "train", backbone, tmp_path, resolution=[96, 64])
    with pytest.raises(ValueError, match=r"are 64x64 pixels .* prepare them with --size 96 64"):
        Trainer(args).task.dataset[0]


@pytest.fixture
def own_clips(tmp_path, astronaut):
    """Nine clips of a few frames; two of them cannot be used."""
    folder = tmp_path / "clips"
    for number in range(8):
        write_video(folder / f"clip{number}.mp4", [portrait(astronaut, 4 * number + n) for n in range(3)])
    write_video(folder / "blank.mp4", [portrait(astronaut, 0) * 0] * 3)
    return folder


def prepare(folder, output, **options):
    listing = list_dataset("clips", folder, SETTINGS)
    return prepare_dataset("clips", listing, output, SETTINGS, **{"workers": 1, "shard_frames": 6, **options})


@pytest.mark.slow
def test_new_clips_get_new_shards_and_damaged_shards_are_made_again(own_clips, tmp_path, astronaut):
    output = tmp_path / "out"
    report = prepare(own_clips, output)
    assert report.manifest["splits"]["train"] | {"seconds": 0} == {
        "published": None, "listed": 9, "unit": "clips", "prepared": 8, "segments": 8, "frames": 24, "seconds": 0,
        "subjects": 8, "missing": 0, "left_out": 1,
    }  # fmt: skip
    assert report.frames == 24 and "per second and core" in str(report)
    assert "none of its frames shows a face" in (output / LEFT_OUT).read_text()
    before = hashes(output)
    again = prepare(own_clips, output)
    assert again.frames == 0 and hashes(output) == before and again.manifest == report.manifest
    write_video(own_clips / "later.mp4", [portrait(astronaut, n) for n in range(3)])
    shard = sorted(output.rglob("*.tar"))[1]
    with open(shard, "r+b") as file:
        file.seek(2000)
        file.write(b"damage")
    third = prepare(own_clips, output)
    after = hashes(output)
    assert third.manifest["splits"]["train"]["prepared"] == 9
    assert {path: after[path] for path in before} == before, "made again, it is the same to the last bit"
    assert len(after) == len(before) + 1


@pytest.fixture
def cluster():
    """Address of a Ray cluster of two cores on this machine."""
    pytest.importorskip("ray", reason="the cluster engine is the extra 'ray'")
    # Ray's sockets need a short path.
    place = tempfile.mkdtemp(prefix="ray", dir="/tmp")
    ray = [sys.executable, "-m", "ray.scripts.scripts"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": True, "timeout": 120}
    start = ["start", "--head", "--num-cpus=2", "--port=26379", "--include-dashboard=false", f"--temp-dir={place}"]
    subprocess.run([*ray, *start], **quiet)
    yield "127.0.0.1:26379"
    subprocess.run([*ray, "stop", "--force"], **quiet)
    shutil.rmtree(place, ignore_errors=True)


def command_for(clips, output, *options):
    command = [sys.executable, "-m", "adaat_hf.cli", "prepare", "clips", "--input", str(clips), "--size", "64"]
    return [*command, "--output", str(output), "--shard-frames", "12", *options]


def kill_when(command, output, clips):
    """Start a run and end it with SIGKILL at a random moment after so many clips are finished."""
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    limit = time.monotonic() + 120
    while run.poll() is None and done(output) < clips and time.monotonic() < limit:
        time.sleep(0.02)
    time.sleep(random.Random(time.time_ns()).random() * 0.2)
    run.send_signal(signal.SIGKILL)
    run.wait()


def check_whole(output, whole):
    """Nothing is lost, doubled or left over, and everything is the same to the last bit."""
    assert hashes(output) == hashes(whole)
    assert read_manifest(output)["shards"] == read_manifest(whole)["shards"]
    assert not (output / ".parts").exists() and not list(output.rglob("*.part"))
    keys = [clip.key for clip in read_packs(output / "train")]
    assert len(keys) == len(set(keys)) == 8


@pytest.mark.slow
def test_a_ray_cluster_makes_the_same_also_when_its_driver_is_killed(own_clips, tmp_path, cluster):
    prepare(own_clips, tmp_path / "whole", shard_frames=12)
    command = command_for(own_clips, tmp_path / "ray", "--ray", cluster)
    kill_when(command, tmp_path / "ray", 2)
    found = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stderr
    check_whole(tmp_path / "ray", tmp_path / "whole")


def test_a_cluster_that_is_not_there(own_clips, tmp_path, capsys):
    pytest.importorskip("ray", reason="the cluster engine is the extra 'ray'")
    command = ["prepare", "clips", "--input", str(own_clips), "--output", str(tmp_path / "out"), "--size", "64"]
    assert main([*command, "--ray", "127.0.0.1:1"]) == 1
    assert "no Ray cluster at '127.0.0.1:1'" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_killed_run_goes_on_without_loss_or_duplicates(own_clips, tmp_path, workers):
    prepare(own_clips, tmp_path / "whole", shard_frames=12)
    output = tmp_path / "killed"
    command = command_for(own_clips, output, "--workers", workers)
    kill_when(command, output, 3)
    time.sleep(0.5)
    assert not workers_of(output), "workers end with the run that started them"
    assert subprocess.run(command, capture_output=True, timeout=300).returncode == 0
    check_whole(output, tmp_path / "whole")


def done(output):
    """Clips that are finished, in shards or waiting."""
    finished = [json.loads(path.read_text()) for path in output.glob("train/*.json")]
    waiting = list((output / ".parts").rglob("[!.]*.json"))
    return sum(len(receipt["clips"]) for receipt in finished) + len(waiting)


def workers_of(output):
    """Living processes that have a file of the output open or were told to work on it."""
    found = []
    for process in os.listdir("/proc"):
        try:
            command = open(f"/proc/{process}/cmdline").read() if process.isdigit() else ""
            files = (
                [os.readlink(f"/proc/{process}/fd/{fd}") for fd in os.listdir(f"/proc/{process}/fd")]
                if command
                else []
            )
        except OSError:
            continue
        if int(process) != os.getpid() if process.isdigit() else False:
            if any(str(output) in name for name in (command, *files)):
                found.append(process)
    return found


def test_a_folder_that_was_begun_in_another_way_is_refused(own_clips, tmp_path):
    prepare(own_clips, tmp_path / "out")
    listing = list_dataset("clips", own_clips, SETTINGS)
    other = PreparationSettings(size=(128, 128))
    with pytest.raises(ValueError, match=r"begun with size=\[64, 64\], now it is \[128, 128\]: choose another folder"):
        prepare_dataset("clips", listing, tmp_path / "out", other)
    with pytest.raises(ValueError, match="holds 'clips', not 'voxceleb'"):
        prepare_dataset("voxceleb", listing, tmp_path / "out", SETTINGS)
    with FileLock(tmp_path / "out" / LOCK), pytest.raises(ValueError, match="Another run is preparing"):
        prepare(own_clips, tmp_path / "out")


def test_without_a_single_video_all_that_is_missing_is_named(layouts, tmp_path):
    shutil.copytree(layouts / "hdtf" / "HDTF_dataset", tmp_path / "lists")
    assert main(["prepare", "hdtf", "--input", str(tmp_path / "lists"), "--output", str(tmp_path / "out")]) == 0
    with open(tmp_path / "out" / LEFT_OUT, newline="") as file:
        assert len(list(csv.DictReader(file))) == 7
    splits = read_manifest(tmp_path / "out")["splits"]
    assert sum(split["missing"] for split in splits.values()) == 5 and not any(s["prepared"] for s in splits.values())


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["hdtf", "--input", "/nowhere"], "'/nowhere' does not exist."),
        (["hdtf", "--input", "."], "get the lists (HDTF_dataset)"),
        (["hdtf", "--input", ".", "--no-crop"], "are for clips of your own"),
        (["clips", "--input", ".", "--size", "1", "2", "3"], "--size has 3 numbers"),
        (["clips", "--input", ".", "--size", "31"], "expected even numbers"),
    ],
)
def test_errors_come_before_the_work(tmp_path, capsys, monkeypatch, command, message):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert main(["prepare", *command, "--output", str(tmp_path / "out")]) == 1
    assert message in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_full_disk_is_not_taken_for_a_broken_clip(own_clips, tmp_path, monkeypatch):
    from adaat_hf.preparation import shards

    monkeypatch.setattr(shards, "prepare_clip", full_disk)
    with pytest.raises(OSError, match="No space left"):
        prepare(own_clips, tmp_path / "out")
    monkeypatch.undo()
    assert prepare(own_clips, tmp_path / "out").manifest["splits"]["train"]["prepared"] == 8


def test_a_source_that_has_gone_ends_the_run_and_is_not_taken_for_a_broken_clip(own_clips, tmp_path):
    listing = list_dataset("clips", own_clips, SETTINGS)
    own_clips.rename(tmp_path / "unmounted")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        prepare_dataset("clips", listing, tmp_path / "out", SETTINGS, workers=1)
    (tmp_path / "unmounted").rename(own_clips)
    assert prepare(own_clips, tmp_path / "out").manifest["splits"]["train"]["prepared"] == 8


def full_disk(source, settings):
    raise OSError(28, "No space left on device")


def test_a_clips_hash_covers_names_and_contents():
    parts = {".mp4": b"12", ".json": b"3"}
    assert clip_hash(parts) == clip_hash(dict(reversed(parts.items())))
    assert clip_hash(parts) != clip_hash({".mp4": b"1", ".json": b"23"})
