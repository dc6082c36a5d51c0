"""Landmark files: OpenFace csv and npz, with gaps and damage."""

import csv
from fractions import Fraction

import numpy as np
import pytest

from adaat_hf.processing.landmark_files import read_landmark_file


def write_openface(path, frames=6, failed=(), spaces=True, faces=1):
    gap = " " if spaces else ""
    names = ["frame", "face_id", "timestamp", "confidence", "success"]
    names += [f"x_{n}" for n in range(68)] + [f"y_{n}" for n in range(68)]
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([gap + name if number else name for number, name in enumerate(names)])
        for frame in range(frames):
            for face in range(faces):
                good = frame not in failed
                numbers = [100 + n + frame + 500 * face for n in range(136)]
                writer.writerow([frame + 1, face, f"{frame / 30:.3f}", 0.98 if good else 0.02, int(good), *numbers])


@pytest.mark.parametrize("spaces", [True, False])
def test_openface_csv(tmp_path, spaces):
    write_openface(tmp_path / "f.csv", failed=(2,), spaces=spaces, faces=2)
    track, fps = read_landmark_file(tmp_path / "f.csv")
    assert track.points.shape == (6, 96, 2) and abs(float(fps) - 30) < 1
    assert track.found.tolist() == [True, True, False, True, True, True]
    assert track.points[0, 5].tolist() == [105, 173] and track.points[3, 0].tolist() == [103, 171]
    assert track.visibility[0, :68].all() and not track.visibility[0, 68:].any()


@pytest.mark.parametrize("count", [68, 70, 96, 478])
def test_npz(tmp_path, count):
    points = np.random.default_rng(0).uniform(0, 200, (4, count, 2))
    np.savez(tmp_path / "f.npz", points=points, fps=29.97)
    track, fps = read_landmark_file(tmp_path / "f.npz")
    assert track.found.all() and fps == Fraction(2997, 100)
    if count <= 96:
        np.testing.assert_allclose(track.points[:, :count], points, rtol=1e-6)


def test_damaged_files_are_refused(tmp_path):
    write_openface(tmp_path / "all_failed.csv", failed=range(6))
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    np.savez(tmp_path / "count.npz", points=np.zeros((4, 50, 2)))
    np.savez(tmp_path / "name.npz", landmarks=np.zeros((4, 68, 2)))
    np.savez(tmp_path / "nan.npz", points=np.full((4, 68, 2), np.nan))
    np.savez(tmp_path / "pickle.npz", points=np.array([{"a": 1}], dtype=object))
    (tmp_path / "no.npz").write_text("text")
    (tmp_path / "f.txt").write_text("text")
    lines = (tmp_path / "all_failed.csv").read_text().replace("0.02,0,", "0.99,1,").splitlines()
    (tmp_path / "cut.csv").write_text("\n".join([*lines[:3], lines[3][:60]]))
    for name, message in (
        ("all_failed.csv", "no frame with a face"),
        ("other.csv", "lacks the columns"),
        ("count.npz", r"has shape \(4, 50, 2\)"),
        ("name.npz", r"holds \['landmarks'\]"),
        ("nan.npz", "not finite"),
        ("pickle.npz", "cannot be read as plain arrays"),
        ("no.npz", "cannot be read as plain arrays"),
        ("f.txt", "no landmark file"),
        ("cut.csv", "missing or damaged number"),
    ):
        with pytest.raises(ValueError, match=message):
            read_landmark_file(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        read_landmark_file(tmp_path / "none.csv")
