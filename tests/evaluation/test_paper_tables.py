"""The paper's tables with measured rows beside them."""

import json

import pytest
import yaml

from adaat_hf.cli import main
from adaat_hf.evaluation.footage import EvaluationError
from adaat_hf.evaluation.paper_tables import TABLE_1, TABLE_2, model_index, table_1, table_2
from adaat_hf.evaluation.results import Mean, Results


def results(dataset, protocol="adaat-paper", **methods):
    named = {name: {"ssim": Mean(ssim), "lpips": Mean(lpips)} for name, (ssim, lpips) in methods.items()}
    return Results(protocol, dataset, {}, named)


def rows(table):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_the_papers_rows_are_all_there_and_say_where_they_are_from():
    found = rows(table_1())
    assert len(found) == sum(map(len, TABLE_1.values())) == 22
    assert all(row[-1] == "paper" for row in found)
    best = {(row[0], row[1]) for row in found if row[2].startswith("**")}
    # As the paper prints in bold.
    assert best == {("HDTF", "AdaAT"), ("VoxCeleb", "AdaAT"), ("iPER", "TBN"), ("DeepFashion", "AdaAT")}
    assert ["VoxCeleb", "FOMM", "0.7230", "**0.1220**", "paper"] in found


def test_measured_rows_stand_with_their_data_set():
    found = rows(
        table_1(
            [
                results("voxceleb", "voxceleb-reconstruction", mine=(0.78, 0.11)),
                results("my clips", film=(1.0, 0.0), mine=(0.5, 0.2)),
            ]
        )
    )
    voxceleb = [row for row in found if row[0] == "VoxCeleb"]
    assert voxceleb[-1] == ["VoxCeleb", "mine", "**0.7800**", "**0.1100**", "measured, voxceleb-reconstruction"]
    assert ["VoxCeleb", "AdaAT", "0.7508", "0.1254", "paper"] in voxceleb
    assert found[-2:] == [
        ["my clips", "film", "1.0000", "0.0000", "measured, adaat-paper"],
        ["my clips", "mine", "**0.5000**", "**0.2000**", "measured, adaat-paper"],
    ]


def test_other_definitions_do_not_enter():
    with pytest.raises(EvaluationError, match="'gfla', whose SSIM is not the paper's"):
        table_1([results("DeepFashion", "gfla", mine=(0.7, 0.2))])


def test_the_ablation_beside_the_papers():
    names = list(TABLE_2)
    measured = results(
        "faces", "voxceleb-reconstruction", **{names[3]: (0.41, 0.26), names[4]: (0.51, 0.23), "copy": (0.1, 0.9)}
    )
    table = table_2([measured])
    found = {row[0]: row[1:] for row in rows(table)}
    assert list(found) == names and found["full"][:2] == ["**0.842**", "**0.112**"]
    assert found["full"][-2:] == ["**0.5100**", "**0.2300**"] and found["w/o AdaAT"][-2:] == ["–", "–"]
    assert "faces (measured, voxceleb-reconstruction) SSIM" in table.splitlines()[0]
    with pytest.raises(EvaluationError, match="have the methods mine; table 2 has w/o AdaAT & AdaIN"):
        table_2([results("faces", mine=(0.5, 0.5))])


def test_every_data_set_has_its_own_entry_in_the_index():
    both = [results("clips, one", mine=(0.5, 0.2)), results("clips, two", mine=(0.6, 0.1))]
    (index,) = yaml.safe_load(model_index(both, "mine", "org/mine"))["model-index"]
    found = {one["dataset"]["name"]: one["metrics"][0]["value"] for one in index["results"]}
    assert found == {"clips, one": 0.5, "clips, two": 0.6}


def test_the_command_prints_tables_and_model_index(tmp_path, capsys):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results("my clips", copy=(0.4, 0.3), mine=(0.51234, 0.2)).to_dict()))
    assert main(["tables", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "Table 1" in shown and "Table 2" in shown and "| my clips" in shown
    assert main(["tables", str(path), "--model-index", "org/mine"]) == 0
    (index,) = yaml.safe_load(capsys.readouterr().out)["model-index"]
    (one,) = index["results"]
    assert index["name"] == "org/mine" and one["dataset"]["name"] == "my clips"
    assert one["metrics"][0] == {"type": "ssim", "value": 0.5123, "name": "SSIM (adaat-paper)"}
    assert main(["tables", "--model-index", "org/mine"]) == 1
    assert main(["tables", str(path), "--model-index", "org/mine", "--method", "theirs"]) == 1
    assert "no method 'theirs' in the results, expected one of copy, mine" in capsys.readouterr().err
    path.write_text("{}")
    assert main(["tables", str(path)]) == 1
