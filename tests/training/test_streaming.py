"""Streams: every clip once per epoch, disjoint parts for processes and workers, exact continuation, damaged data."""

import shutil
import tarfile

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_training import arguments, person_arguments
from torch.utils.data import DataLoader

from adaat_hf.training.checkpoints import CheckpointError
from adaat_hf.training.image_pairs import to_parquet
from adaat_hf.training.packs import read_packs, write_pack
from adaat_hf.training.streaming import POSITION, StreamedDataset, clip_stream, list_shards
from adaat_hf.training.trainer import Trainer


@pytest.fixture(scope="module")
def shards(packs, tmp_path_factory):
    """The miniature clips, two in each of four packs."""
    folder = tmp_path_factory.mktemp("shards")
    clips = [
        (f"{clip.key}_{copy}", {suffix: clip.read(suffix) for suffix in clip.spans})
        for copy in range(2)
        for clip in read_packs(packs)
    ]
    for number in range(4):
        write_pack(folder / f"clips-{number:05d}.tar", clips[2 * number : 2 * number + 2])
    assert len(list(folder.glob("*.tar"))) == 4
    return folder


def keys(dataset, count, workers=0):
    """The clips of `count` items, through a loader."""
    loader = DataLoader(dataset, 1, num_workers=workers)
    return [int(item["key"][0]) for item, _ in zip(loader, range(count), strict=False)]


def open_stream(shards, seed=0):
    def item(clip, random):
        number = int(clip.key[5]) + 10 * int(clip.key[7])
        return {"key": torch.tensor([number]), "chance": torch.tensor(random.random())}

    return StreamedDataset(clip_stream([str(shards)]), item, seed)


def test_an_epoch_holds_every_clip_once_in_an_order_of_its_own(shards):
    every = {0, 1, 2, 3, 10, 11, 12, 13}
    first = keys(open_stream(shards), 16)
    assert set(first[:8]) == set(first[8:]) == every and first[:8] != first[8:]
    assert keys(open_stream(shards), 16) == first
    assert keys(open_stream(shards, seed=1), 8) != first[:8]
    assert sorted(keys(open_stream(shards), 8, workers=2)) == sorted(every)


def test_processes_see_disjoint_parts(shards):
    parts = []
    for rank in range(2):
        dataset = open_stream(shards)
        dataset.split(rank, 2)
        parts.append(keys(dataset, 4))
    assert not set(parts[0]) & set(parts[1]) and len(set(parts[0] + parts[1])) == 8


@pytest.mark.parametrize("workers", [0, 2, 3])
def test_a_stream_continues_exactly(shards, workers):
    def items(dataset, count):
        loader = (item for item in DataLoader(dataset, 1, num_workers=workers) if len(item) > 1)
        return [item for item, _ in zip(loader, range(count), strict=False)]

    def shown(found):
        return [(int(item["key"]), float(item["chance"])) for item in found]

    whole = items(open_stream(shards), 20)
    for stop in (3, 8, 11):
        resumed, positions = open_stream(shards), {}
        for item in whole[:stop]:
            worker, *position = item[POSITION][0].tolist()
            positions[str(worker)] = position
        resumed.resume(positions, stop, 1, workers)
        assert shown(items(resumed, 20 - stop)) == shown(whole[stop:])


def streaming_arguments(shards, backbone, output, **changes):
    values = {"streaming": True, "train_data": [str(shards)], "hard_pairs": 0.5, **changes}
    return arguments(shards, backbone, output, **values)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_streamed_run_resumes_exactly(shards, backbone, tmp_path, workers):
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    changes = {"num_workers": workers, "batch_size": 1, "log_with": "none"}
    Trainer(streaming_arguments(shards, backbone, whole, max_steps=10, **changes)).train()
    Trainer(streaming_arguments(shards, backbone, parted, max_steps=5, **changes)).train()
    Trainer(streaming_arguments(shards, backbone, parted, max_steps=10, **changes)).train()
    first, second = (load_file(folder / "generator" / "model.safetensors") for folder in (whole, parted))
    assert all(torch.equal(first[name], second[name]) for name in first)
    if workers:
        with pytest.raises(
            CheckpointError, match="read by 1 processes with 2 data workers each; the run has 1 with 1"
        ):
            Trainer(
                streaming_arguments(shards, backbone, parted, max_steps=12, **{**changes, "num_workers": 1})
            ).train()


@pytest.mark.slow
def test_persons_are_streamed_from_parquet(pairs, backbone, tmp_path):
    to_parquet(pairs, tmp_path / "train.parquet")
    args = person_arguments(
        pairs, backbone, tmp_path / "out", streaming=True, train_data=[str(tmp_path / "*.parquet")], max_steps=2,
        log_with="none",
    )  # fmt: skip
    trainer = Trainer(args)
    item = next(iter(trainer.task.dataset))
    assert item["source"].shape == item["driving"].shape == (3, 96, 64)
    trainer.train()
    assert trainer.step == 2


def test_streams_that_cannot_be_read(shards, backbone, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no shard \(\*.tar\) at '/nowhere'"):
        list_shards(["/nowhere"], ".tar")
    with pytest.raises(ValueError, match="do not go with streaming"):
        streaming_arguments(shards, backbone, tmp_path, sampling={"origin": {"real": 2.0}})
    args = streaming_arguments(shards, backbone, tmp_path, keep={"tier": ["C"]})
    with pytest.raises(ValueError, match="None of the 8 examples of this part of the stream can be used"):
        next(iter(Trainer(args).task.dataset))


def damage(shards, folder, part):
    """A copy of the shards in which one clip's part is overwritten."""
    shutil.copytree(shards, folder)
    pack = sorted(folder.glob("*.tar"))[1]
    with tarfile.open(pack) as archive:
        member = next(m for m in archive if m.name.endswith(part))
    with open(pack, "r+b") as file:
        file.seek(member.offset_data)
        file.write(np.random.default_rng(0).bytes(member.size))
    return member.name.removesuffix(part)


@pytest.mark.parametrize("part", [".mp4", ".safetensors"])
@pytest.mark.parametrize("streaming", [True, False])
def test_a_damaged_clip_is_named_and_left_out(shards, backbone, tmp_path, caplog, part, streaming):
    key = damage(shards, tmp_path / "damaged", part)
    trainer = Trainer(streaming_arguments(tmp_path / "damaged", backbone, tmp_path / "out", streaming=streaming))
    dataset = trainer.task.dataset
    iterator = iter(dataset) if streaming else (dataset[number] for number in range(30))
    items = [item for item, _ in zip(iterator, range(20), strict=False)]
    assert all(item["source"].isfinite().all() for item in items)
    warnings = [record.message for record in caplog.records if "Training data is left out" in record.message]
    assert len(warnings) >= 1 and all(f"Clip {key!r} of" in text and "is damaged" in text for text in warnings)


def test_a_truncated_pack_is_named(shards, tmp_path):
    pack = tmp_path / "clips-00000.tar"
    content = sorted(shards.glob("*.tar"))[0].read_bytes()
    pack.write_bytes(content[: len(content) // 3])
    with pytest.raises(ValueError, match="clips-00000.tar' is damaged .*; make it again or take it away"):
        read_packs(tmp_path)
