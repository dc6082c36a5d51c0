"""The benchmark's rows say what was measured, its ratios keep their trend, and wrong requests are refused at once."""

import json
import sys

import numpy as np
import pytest
import torch
from conftest import MODERN, tiny_config

from adaat_hf import AdaATConfig, AdaATGenerator, AdaATPipeline, VideoReader, VideoWriter
from adaat_hf.benchmark import BenchmarkOptions, run_benchmark
from adaat_hf.benchmark.files import Clip, peer_row
from adaat_hf.benchmark.measuring import measure, peak_memory
from adaat_hf.benchmark.network import PLAN, REFERENCE, NetworkInputs, ablation, network_rows, operator_rows
from adaat_hf.benchmark.report import COLUMNS, Row, markdown_table
from adaat_hf.cli import main
from adaat_hf.models.operator import operator_kernel
from adaat_hf.processing.image_processing_adaat import AdaATImageProcessor
from adaat_hf.processing.images import save_image


CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The bundled face with a generator that is quick."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("models") / "face"
    AdaATPipeline.from_pretrained(
        "bundled/face", generator=AdaATGenerator(tiny_config(**MODERN)).eval(),
        image_processor=AdaATImageProcessor(size={"height": 64, "width": 64}),
    ).save_pretrained(path)  # fmt: skip
    return str(path)


def test_every_step_of_the_ablation_paints_the_same_picture():
    torch.manual_seed(0)
    released = AdaATConfig(**{**tiny_config(**MODERN).to_dict(), "align_corners": False, "blend_channels": True})
    generator = AdaATGenerator(released).eval()
    with torch.no_grad():
        pictures = {
            name: run().images for name, run in ablation(generator, NetworkInputs.random(96, 64, 64, 3, CPU)).items()
        }
    assert list(pictures)[0] == REFERENCE and list(pictures)[-1] == PLAN and len(pictures) == 6
    for picture in pictures.values():
        torch.testing.assert_close(picture, pictures[REFERENCE], atol=1e-4, rtol=0)


def test_the_shortest_time_and_the_highest_memory_count():
    calls = []

    def run(name, megabytes):
        calls.append(name)
        np.ones(megabytes * 125_000).sum()

    costs = measure({"small": lambda: run("small", 8), "large": lambda: run("large", 400)}, CPU, repeats=2)
    assert calls == ["small", "large"] * 3, "in turn, so that both meet the same slow moments"
    assert 0 < costs["small"].seconds < costs["large"].seconds
    assert costs["large"].peak_bytes == pytest.approx(400e6, rel=0.2)
    with pytest.raises(RuntimeError):
        peak_memory(lambda: torch.zeros(2) @ torch.zeros(3), CPU)


@pytest.mark.slow
def test_the_operator_keeps_its_lead():
    if operator_kernel(CPU) != "C kernel":
        pytest.skip("there is no C compiler")
    ratios = {row.part: row.ratio for row in operator_rows(128, CPU, repeats=3) if row.what == "ours"}
    assert ratios["operator, forward"] > 6 and ratios["operator, forward and backward"] > 2.5


@pytest.mark.slow
def test_the_plan_keeps_its_lead():
    torch.manual_seed(0)
    generator = AdaATGenerator(AdaATConfig.from_preset("compact"))
    runs = ablation(generator.eval(), NetworkInputs.random(96, 128, 128, 1, CPU))
    with torch.no_grad():
        costs = measure({name: runs[name] for name in (REFERENCE, PLAN)}, CPU, repeats=5)
    assert costs[REFERENCE].seconds / costs[PLAN].seconds > 0.85


@pytest.mark.slow
def test_runtimes_are_measured_where_they_are_installed():
    pytest.importorskip("openvino")
    pytest.importorskip("nncf")
    generator = AdaATGenerator(tiny_config(**MODERN))
    rows = {row.what: row for row in network_rows("tiny", generator, 32, 32, 1, CPU, 1, False)}
    assert rows["openvino, int8"].dtype == "int8" and rows["openvino"].dtype == "float32"
    assert rows[REFERENCE].ratio == 1 and all(row.ratio > 0 and row.seconds > 0 for row in rows.values())


def test_the_command_prints_one_table_and_writes_json(model, tmp_path, capsys):
    out = tmp_path / "speed.json"
    peer = f"copy={sys.executable} -c 'import shutil, sys; shutil.copy(*sys.argv[1:])' {{driving}} {{output}}"
    options = [
        "--part",
        "scaling",
        "--part",
        "pipeline",
        "--batches",
        "1",
        "2",
        "--sizes",
        "32",
        "--lengths",
        "4",
        "9",
    ]
    options += ["--frames", "6", "--repeats", "1", "--backend", "torch", "--device", "cpu", "--peer", peer]
    assert main(["benchmark", "--model", model, *options, "--json", str(out)]) == 0
    report = json.loads(out.read_text())
    assert (
        report["machine"]["device"].startswith("cpu") and report["machine"]["torch"] == torch.__version__.split("+")[0]
    )
    rows = report["rows"]
    assert [(row["batch"], row["size"]) for row in rows[:3]] == [(1, "32x32"), (1, "64x64"), (2, "64x64")]
    assert [row["what"] for row in rows[3:6]] == ["network", "frames to crops, in memory", "file to file"]
    assert rows[3]["share"] == 1 and 0 < rows[5]["share"] < 1 and [row["frames"] for row in rows[6:8]] == [4, 9]
    assert rows[8]["part"] == "peer copy" and rows[8]["frames"] == 6
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(table) == 2 + len(rows) and len({len(line) for line in table}) == 1
    assert [cell.strip() for cell in table[0].strip("|").split("|")] == list(COLUMNS)


def test_a_driver_of_the_user_is_animated(model, tmp_path, astronaut):
    with VideoWriter(tmp_path / "driver.mp4", 25, 320, 300) as writer:
        for _ in range(8):
            writer.write(astronaut[:300, 70:390])
    clip = Clip(save_image(astronaut[:300, 70:390], tmp_path / "me.png"), tmp_path / "driver.mp4")
    options = BenchmarkOptions((model,), ("pipeline",), "cpu", "torch", frames=5, repeats=1, clip=clip)
    seen = []
    report = run_benchmark(options, seen.append)
    assert [row.frames for row in report.rows] == [5, 5, 5] and seen == report.rows
    assert len(list(VideoReader(clip.driving))) == 8, "the user's file stays"


def test_cells_are_units_that_people_read():
    row = Row("network x", "plan", "256x256", 0.05, 4, None, "float32", 1.5, None, 12_300_000)
    assert row.cells() == ["network x", "plan", "256x256", "4", "", "float32", "50.0", "20.00", "1.50", "", "12"]
    assert markdown_table(["a", "bc"], [["def", "g"]]) == "| a   | bc |\n|-----|----|\n| def | g  |"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--part", "nothing"], "no part 'nothing'"),
        (["--frames", "0"], "frames is 0"),
        (["--sizes", "0"], "sizes has 0"),
        (["--source", "missing.png", "--driving", "missing.mp4"], "does not exist"),
        (["--peer", "x"], "peer is 'x'"),
        (["--json", "missing/x.json"], "does not exist"),
    ],
)
def test_wrong_requests_are_refused_at_once(options, message, capsys):
    assert main(["benchmark", *options]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("false {output}", "failed with status 1"),
        ("true {output}", "it wrote no"),
        ("no-such-program {output}", "cannot be run"),
    ],
)
def test_peers_that_fail_are_named(tmp_path, command, message):
    with pytest.raises(ValueError, match=message):
        peer_row("peer", command, Clip(tmp_path / "a.png", tmp_path / "b.mp4"), tmp_path, None)
