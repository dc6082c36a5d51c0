"""The documentation's commands parse, its Python compiles, and what it names is there."""

import ast
import os
import re
import shlex
import subprocess
import sys

import pytest
from conftest import ROOT

from adaat_hf.cli import _parser
from adaat_hf.preparation.catalogue import CATALOGUE


SURROUNDINGS = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
PAGES = sorted((ROOT / "docs").glob("*.md"))


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.S)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_parse(page):
    for block in blocks(page, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words and words[0] == "adaat":
                _parser().parse_args(words[1:])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_compiles_and_imports_exist(page):
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("adaat_hf"):
                names = ", ".join(alias.name for alias in node.names)
                exec(f"from {node.module} import {names}", {})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_named_files_exist(page):
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"(?:scripts|tests|spaces|pipelines|src)/[\w/]+(?:\.\w+)?", text):
        assert (ROOT / name).exists() or (ROOT / f"{name}.py").exists(), name


def test_every_page_is_in_the_navigation():
    text = (ROOT / "mkdocs.yml").read_text()
    for page in [*PAGES, *(ROOT / "docs" / "api").glob("*.md")]:
        assert f" {page.relative_to(ROOT / 'docs').as_posix()}\n" in text, page.name


def test_terms_of_data_sets_are_those_of_manifests():
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    for facts in CATALOGUE.values():
        assert f"| {facts.title} | {facts.licence} | {facts.consent} |" in text


def test_tables_show_the_measured_results():
    """Numbers in the README and the documentation are those of docs/results, to the last digit."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "update_tables.py"), "--check"],
        capture_output=True,
        text=True,
        env=SURROUNDINGS,
    )
    assert done.returncode == 0, done.stderr
