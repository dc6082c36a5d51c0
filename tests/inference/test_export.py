"""Pipelines are exported to ONNX and OpenVINO, animate with the graphs, and notice graphs of other weights."""

import json

import numpy as np
import pytest
import torch
from conftest import MODERN, PERSON, tiny_config

from adaat_hf import (
    AdaATGenerator,
    AdaATPipeline,
    FaceReenactmentPipeline,
    PersonGenerationPipeline,
    TalkingFacePipeline,
)
from adaat_hf.cli import main
from adaat_hf.inference import InferencePlan, files
from adaat_hf.inference import export_pipeline as exporting
from adaat_hf.inference.export_pipeline import ExportError, export_pipeline
from adaat_hf.inference.graph import GraphSize
from adaat_hf.inference.graph_networks import GraphLandmarker, GraphMotionModel
from adaat_hf.inference.graph_painter import GraphPainter
from adaat_hf.inference.precision import GuardedPainter
from adaat_hf.processing.image_processing_adaat import AdaATImageProcessor


onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
FORMATS = [("onnx", "onnxruntime"), ("openvino", "openvino")]


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(files, "HF_HOME", str(folder))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory, face_model):
    """The bundled talking face with a generator that is quick."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("models") / "face"
    pipe = TalkingFacePipeline.from_pretrained(
        "bundled/face", generator=AdaATGenerator(tiny_config(**MODERN)).eval(),
        image_processor=AdaATImageProcessor(size={"height": 64, "width": 64}),
    )  # fmt: skip
    pipe.save_pretrained(path)
    return path


@pytest.fixture(scope="module", params=FORMATS, ids=lambda pair: pair[0])
def exported(request, folder, tmp_path_factory):
    format, backend = request.param
    pytest.importorskip(backend)
    output = tmp_path_factory.mktemp("exported") / "face"
    return export_pipeline(folder, output, format), backend


def painted(pipe, frames=5):
    torch.manual_seed(1)
    source, points = torch.rand(3, 64, 64), 1.6 * torch.rand(frames + 1, 96, 2) - 0.8
    return torch.cat(list(pipe.paint_tensors(source, points[0], points[1:])))


def test_graphs_do_what_pytorch_does(exported):
    report, _ = exported
    assert set(report.differences) >= {
        "painting_1x64x64 images",
        "landmarker_landmarks points",
        "motion_model_motion pose",
    }
    assert max(report.differences.values()) < 1e-4


def test_pipelines_animate_with_the_graphs(exported, folder, astronaut, tmp_path):
    report, backend = exported
    plain = AdaATPipeline.from_pretrained(folder, backend="torch")
    pipe = AdaATPipeline.from_pretrained(report.folder, backend=backend)
    assert isinstance(pipe.painter(), GraphPainter)
    assert isinstance(pipe.network("landmarker"), GraphLandmarker)
    assert isinstance(pipe.network("motion_model"), GraphMotionModel)
    torch.testing.assert_close(painted(pipe), painted(plain), atol=1e-4, rtol=0)
    sound = np.sin(np.arange(16_000) / 8).astype(np.float32)
    clips = [p(astronaut, (sound, 16_000), output_type="np", seed=1) for p in (plain, pipe)]
    assert len(clips[0].frames) == len(clips[1].frames) == 25
    assert np.abs(clips[0].frames - clips[1].frames).mean() < 2e-3


def test_graphs_have_stock_operators_only_and_any_number_of_poses(exported):
    report, backend = exported
    if backend != "onnxruntime":
        pytest.skip("OpenVINO's graphs are made of those for ONNX")
    paths = list((report.folder / backend).glob("*.onnx"))
    assert len(paths) == 4
    for path in paths:
        model = onnx.load(path)
        assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}
        assert not model.functions
        if path.stem.startswith("painting"):
            batches = [value.type.tensor_type.shape.dim[0] for value in model.graph.input]
            assert all(size.dim_param for size in batches)


def test_graphs_of_other_weights_are_not_used(exported, caplog):
    report, backend = exported
    pipe = AdaATPipeline.from_pretrained(report.folder, backend=backend)
    with torch.no_grad():
        pipe.generator.to_picture.bias.fill_(0.2)
    wanted = InferencePlan(pipe.generator)
    assert "belong to other weights" in caplog.text or pipe.painter().store.exported == {}
    subject = wanted.read_source(torch.rand(1, 3, 64, 64), torch.zeros(1, 96, 2))
    with torch.no_grad():
        found, right = (paint(subject, torch.zeros(2, 96, 2)).images for paint in (pipe.painter(), wanted))
    torch.testing.assert_close(found, right, atol=1e-4, rtol=0)


def test_other_sizes_are_made_when_they_are_needed_and_kept(exported, cache):
    report, backend = exported
    pipe = AdaATPipeline.from_pretrained(report.folder, backend=backend)
    torch.manual_seed(0)
    source, points = torch.rand(3, 32, 48), 1.6 * torch.rand(3, 96, 2) - 0.8
    list(pipe.paint(source, points[0], points[1:]))
    kept = list(cache.rglob(f"painting_1x32x48{files.SUFFIXES[backend]}"))
    assert len(kept) == 1
    made = kept[0].stat().st_mtime_ns
    again = AdaATPipeline.from_pretrained(report.folder, backend=backend)
    assert list(again.paint(source, points[0], points[1:]))[0].shape == (2, 32, 48, 3)
    assert kept[0].read_bytes() and kept[0].stat().st_mtime_ns >= made
    assert len(list(cache.rglob(f"*{files.SUFFIXES[backend]}"))) == 1


def test_the_cache_forgets_what_was_used_longest_ago(tiny_generator, monkeypatch):
    monkeypatch.setattr(files, "MOST_CACHED", 2)
    store = files.GraphStore(tiny_generator, "onnxruntime", None)
    assert not store
    for width in (8, 16, 24):
        store.find(GraphSize(1, 8, width), lambda path: path.write_text("graph"))
    assert store
    assert len(list(store.cached.iterdir())) == 2
    assert not (store.cached / "painting_1x8x8.onnx").exists()


def test_openvino_is_chosen_where_it_has_a_graph(folder):
    pytest.importorskip("openvino")
    pipe = AdaATPipeline.from_pretrained(folder)
    assert isinstance(pipe.painter(), InferencePlan)
    painted(pipe.optimize("openvino"))
    assert isinstance(AdaATPipeline.from_pretrained(folder).painter(), GraphPainter)
    assert isinstance(AdaATPipeline.from_pretrained(folder, backend="torch").painter(), InferencePlan)


def test_generators_in_16_bits_are_painted_in_32(exported):
    report, backend = exported
    pipe = AdaATPipeline.from_pretrained(report.folder, backend=backend, dtype=torch.float16)
    wanted = InferencePlan(pipe.generator).float()
    torch.manual_seed(1)
    source, points = torch.rand(3, 64, 64).half().float(), 1.6 * torch.rand(6, 96, 2) - 0.8
    with torch.no_grad():
        right = wanted(wanted.read_source(source[None], points[:1]), points[1:]).images
    torch.testing.assert_close(painted(pipe), right, atol=1e-4, rtol=0)


def test_a_type_that_is_asked_for_is_painted_by_pytorch(folder):
    pytest.importorskip("openvino")
    pipe = AdaATPipeline.from_pretrained(folder)
    files.GraphStore(pipe.generator, "openvino", None).find(GraphSize(1, 8, 8), lambda path: path.write_text("graph"))
    assert isinstance(pipe.painter(), GraphPainter)
    assert isinstance(pipe.optimize(dtype=torch.bfloat16).painter(), GuardedPainter)


def test_several_sources(tmp_path):
    pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    pipe = PersonGenerationPipeline(
        AdaATGenerator(tiny_config(**PERSON)).eval(), AdaATImageProcessor(size={"height": 64, "width": 48})
    )
    pipe.save_pretrained(tmp_path / "person")
    report = export_pipeline(tmp_path / "person", tmp_path / "made", "onnx", [GraphSize(3, 64, 48)])
    assert report.differences["painting_3x64x48 source_shares"] < 1e-4
    torch.manual_seed(0)
    inputs = torch.rand(3, 3, 64, 48), 1.6 * torch.rand(3, 18, 2) - 0.8, 1.6 * torch.rand(5, 18, 2) - 0.8
    found, wanted = (
        torch.cat(list(AdaATPipeline.from_pretrained(tmp_path / "made", backend=name).paint_tensors(*inputs)))
        for name in ("onnxruntime", "torch")
    )
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)


def test_a_graph_that_differs_is_not_left_behind(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "TOLERANCE", -1.0)
    with pytest.raises(ExportError, match="differs from PyTorch by"):
        export_pipeline(folder, tmp_path / "made", "onnx")
    assert not list(tmp_path.iterdir())


def test_bad_requests_are_refused_before_anything_is_made(folder, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    for arguments, error, message in (
        ((folder, tmp_path / "made", "tensorrt"), ValueError, "format is 'tensorrt'"),
        ((folder, tmp_path / "made", "onnx", (), [{}]), ValueError, "8-bit export needs format 'openvino'"),
        ((folder, tmp_path / "full", "onnx"), FileExistsError, "exists and is not empty"),
        ((tmp_path, tmp_path / "made", "onnx"), ValueError, "no model_index.json"),
    ):
        with pytest.raises(error, match=message):
            export_pipeline(*arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


@pytest.mark.slow
def test_eight_bits_from_the_command_line(folder, tmp_path, shared, capsys):
    pytest.importorskip("nncf")
    FaceReenactmentPipeline.from_pretrained(folder).save_pretrained(tmp_path / "face")
    clips = tmp_path / "clips"
    clips.mkdir()
    for clip in sorted((shared / "data" / "faces" / "val").glob("*.mp4"))[:2]:
        (clips / clip.name).symlink_to(clip)
    made = tmp_path / "made"
    assert main(["export", "--model", str(tmp_path / "face"), "--format", "openvino", "--int8", str(clips), "--samples", "8", "-o", str(made)]) == 0  # fmt: skip
    assert "a pipeline for backend='openvino'" in capsys.readouterr().out
    listed = json.loads((made / "openvino" / "graphs.json").read_text())
    assert listed["painting"]["precision"] == "int8"
    pipe = AdaATPipeline.from_pretrained(made)
    difference = (painted(pipe) - painted(AdaATPipeline.from_pretrained(made, backend="torch"))).abs()
    assert 0 < difference.mean() < 0.05


def test_wrong_sizes_on_the_command_line(folder, tmp_path, capsys):
    arguments = ["export", "--model", str(folder), "--format", "onnx", "-o", str(tmp_path / "made")]
    assert main([*arguments, "--size", "256"]) == 1
    assert "expected WIDTHxHEIGHT" in capsys.readouterr().err
