"""All four data sets in miniature, prepared once."""

import pytest
from miniatures import make_deepfashion, make_hdtf, make_iper, make_voxceleb

from adaat_hf.cli import main


SIZES = {"voxceleb": ["64"], "hdtf": ["64"], "iper": ["64"], "deepfashion": []}


@pytest.fixture(scope="session")
def layouts(tmp_path_factory, astronaut, standing_pose):
    """Folder of each data set's files, by name."""
    folder = tmp_path_factory.mktemp("layouts")
    make_voxceleb(folder / "voxceleb", astronaut)
    make_hdtf(folder / "hdtf", astronaut)
    make_iper(folder / "iper")
    make_deepfashion(folder / "deepfashion", standing_pose)
    return folder


@pytest.fixture(scope="session")
def prepared(layouts, tmp_path_factory):
    """What `adaat prepare` makes of them, by name, in shards of a few clips; from one process."""
    folder = tmp_path_factory.mktemp("prepared")
    for name, size in SIZES.items():
        output = ["--output", str(folder / name), "--workers", "1", "--shard-frames", "12"]
        extra = ["--size", *size] if size else []
        assert main(["prepare", name, "--input", str(layouts / name), *output, *extra]) == 0
    return folder
