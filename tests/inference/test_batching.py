"""The batch follows the free memory, and shrinks where memory does not suffice."""

import numpy as np
import pytest
import torch

from adaat_hf import AdaATConfig
from adaat_hf.inference import batching
from adaat_hf.inference.batching import bytes_per_pose, poses_at_once


def request(poses=11):
    torch.manual_seed(0)
    points = 1.6 * torch.rand(poses + 1, 96, 2) - 0.8
    return torch.rand(3, 32, 32), points[0], points[1:]


@pytest.mark.parametrize(("free", "expected"), [(64e9, 4), (2.5e8, 2), (1e6, 1)])
def test_a_small_memory_means_a_small_batch(monkeypatch, free, expected):
    monkeypatch.setattr(batching, "free_memory", lambda device: int(free))
    config = AdaATConfig.from_preset("compact")
    assert poses_at_once(config, 256, 192, torch.float32, torch.device("cpu")) == expected


def test_larger_pictures_more_sources_and_wider_types_take_more():
    config = AdaATConfig.from_preset("compact")
    one = bytes_per_pose(config, 256, 256, torch.float16)
    assert bytes_per_pose(config, 512, 256, torch.float16) == 2 * one
    assert bytes_per_pose(config, 256, 256, torch.float32) == 2 * one
    assert bytes_per_pose(config, 256, 256, torch.float16, sources=3) == 3 * one


def test_the_free_memory_is_that_of_this_machine():
    assert 1e8 < batching.free_memory(torch.device("cpu")) < 1e14


def test_the_pipeline_takes_that_batch_unless_told_otherwise(pipe, monkeypatch):
    monkeypatch.setattr("adaat_hf.pipelines.base.poses_at_once", lambda *args: 3)
    assert [len(batch) for batch in pipe.paint(*request())] == [3, 3, 3, 2]
    assert [len(batch) for batch in pipe.paint(*request(), batch_size=5)] == [5, 5, 1]


def test_painting_goes_on_with_less_where_memory_does_not_suffice(pipe, monkeypatch, caplog):
    whole = np.concatenate(list(pipe.paint(*request(), batch_size=8)))
    painter = pipe.painter()

    def short_of_memory(source, poses, *rest):
        if len(poses) > 3:
            raise torch.OutOfMemoryError("out of memory")
        return painter(source, poses, *rest)

    short_of_memory.read_source = painter.read_source
    pipe.paint_with(short_of_memory)
    batches = list(pipe.paint(*request(), batch_size=8))
    assert [len(batch) for batch in batches] == [2, 2, 2, 2, 2, 1]
    assert np.abs(np.concatenate(batches).astype(int) - whole).mean() < 0.1
    assert "going on with 4" in caplog.text and "going on with 2" in caplog.text


def test_memory_that_does_not_suffice_for_one_frame_is_an_error(pipe):
    def none_left(*args):
        raise torch.OutOfMemoryError("out of memory")

    none_left.read_source = pipe.painter().read_source
    pipe.paint_with(none_left)
    with pytest.raises(torch.OutOfMemoryError):
        list(pipe.paint(*request()))
