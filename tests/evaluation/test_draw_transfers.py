"""scripts/draw_transfers.py: a picture of a clip and of people who follow it."""

from importlib import import_module

import numpy as np
import pytest
from conftest import ROOT

from adaat_hf.bundled import FIGURE_SAMPLE
from adaat_hf.processing.images import load_image
from adaat_hf.video import write_video


@pytest.fixture
def drawing(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return import_module("draw_transfers")


def test_rows_hold_pictures_of_one_width_in_their_middle(drawing):
    tall, wide = np.full((80, 40, 3), 10, np.uint8), np.full((50, 100, 3), 20, np.uint8)
    row = drawing.row_of([None, tall, wide])
    width = drawing.WIDTH
    assert row.shape == (2 * width + drawing.GAP, 3 * width, 3)
    assert (row[:, :width] == 255).all() and (row[: 2 * width, width : 2 * width] == 10).all()
    beside = row[:, 2 * width :]
    shown = (beside == 20).all((1, 2)).nonzero()[0]
    assert len(shown) == width // 2 and abs(shown.mean() - (width - 0.5)) < 1


@pytest.mark.slow
def test_a_person_is_drawn_in_the_frames_of_a_clip(drawing, monkeypatch, tmp_path):
    figure = load_image(FIGURE_SAMPLE)
    write_video([figure, np.roll(figure, 8, 1)], tmp_path / "clip.mp4", 5)
    output = tmp_path / "drawn.png"
    monkeypatch.setattr(
        "sys.argv",
        ["draw", str(FIGURE_SAMPLE), "--clip", str(tmp_path / "clip.mp4"), "--every", "1", "--output", str(output)],
    )
    drawing.main()
    drawn = load_image(output)
    assert drawn.shape[1] == 3 * drawing.WIDTH
    above, below = drawn[: figure.shape[0] * drawing.WIDTH // figure.shape[1]], drawn[-drawing.WIDTH :]
    assert (above[:, : drawing.WIDTH] == 255).all() and above[:, drawing.WIDTH :].min() == 0, "the key points"
    assert below[:, drawing.WIDTH :].std() > 20, "the person"
