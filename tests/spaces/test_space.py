"""What stands at the root of the Space: it builds with the real `spaces` package, and its files agree with the package."""

import runpy

import pytest
import yaml
from conftest import ROOT


FOLDER = ROOT / "spaces" / "adaat"


@pytest.mark.slow
def test_the_app_builds_and_offers_the_four_tasks():
    pytest.importorskip("gradio", reason="needs gradio")
    pytest.importorskip("spaces", reason="needs spaces")
    app = runpy.run_path(str(FOLDER / "app.py"), run_name="app")["app"]
    names = {function.api_name for function in app.fns.values()}
    assert {"reenact", "talk", "pose", "person"} <= names


def test_spaces_is_imported_before_torch():
    text = (FOLDER / "app.py").read_text()
    assert text.index("import spaces") < text.index("from adaat_hf") and "torch" not in text.split("import spaces")[0]


def test_the_front_matter_is_complete_and_of_the_tested_versions():
    matter = yaml.safe_load((FOLDER / "README.md").read_text().split("---")[1])
    assert matter["sdk"] == "gradio" and matter["app_file"] == "app.py" and matter["python_version"] == "3.12"
    constraints = (ROOT / "constraints.txt").read_text().split()
    assert f"gradio=={matter['sdk_version']}" in constraints
    assert len(matter["short_description"]) <= 60
    assert "adaat-hf[" in (FOLDER / "requirements.txt").read_text()
