"""Arrays of strangers: what would fill the memory is refused before it does."""

import io
import resource
import zipfile

import numpy as np
import pytest

from adaat_hf import PoseError, read_pose_file
from adaat_hf.control.smpl_files import read_smpl_motion
from adaat_hf.processing.landmark_files import read_landmark_file
from adaat_hf.processing.plain_arrays import MAX_ARRAY_BYTES, MAX_TEXT_BYTES, read_plain_arrays


def header(shape):
    """The beginning of an npy that says it has this shape."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return file.getvalue()


def zeros(path):
    """An npz of one megabyte whose array takes a gigabyte."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle, bundle.open("points.npy", "w") as member:
        member.write(header((125_000, 1000, 1)))
        for _ in range(100):
            member.write(bytes(10_000_000))
    return path


def liar(path):
    """A small npz whose array says that it is a terabyte."""
    with zipfile.ZipFile(path, "w") as bundle:
        bundle.writestr("points.npy", header((10**6, 10**5, 2)) + bytes(100))
    return path


@pytest.mark.parametrize("make", [zeros, liar])
@pytest.mark.parametrize("read", [read_pose_file, read_landmark_file, read_smpl_motion])
def test_bombs_are_refused(tmp_path, make, read):
    path = make(tmp_path / "bomb.npz")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="bomb.npz.* unpacks to .* MB, more than 512 MB of arrays"):
        read(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000, "kilobytes"


def test_an_npy_that_lies_about_its_size(tmp_path):
    path = tmp_path / "liar.npy"
    path.write_bytes(header((10**6, 10**5, 2)) + bytes(100))
    with pytest.raises(PoseError, match="unpacks to 1600000 MB"):
        read_pose_file(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 damaged", b"\x93NUMPY\x01\x00\xff", b"text"])
def test_damage_is_an_error_of_the_kind_that_was_asked_for(tmp_path, content):
    path = tmp_path / "damaged.npz"
    path.write_bytes(content)
    with pytest.raises(PoseError, match="damaged.npz.* cannot be read as plain arrays"):
        read_plain_arrays(path, PoseError)


def test_what_fits_is_read(tmp_path):
    points = np.random.default_rng(0).random((40, 18, 2))
    np.savez_compressed(tmp_path / "a.npz", points=points, fps=25.0)
    found = read_plain_arrays(tmp_path / "a.npz", ValueError)
    assert np.array_equal(found["points"], points) and found["fps"] == 25
    assert points.nbytes < MAX_ARRAY_BYTES


@pytest.mark.parametrize("name", ["poses.json", "faces.csv"])
def test_texts_that_are_too_long(tmp_path, name):
    path = tmp_path / name
    with path.open("wb") as file:
        file.truncate(MAX_TEXT_BYTES + 1)
    with pytest.raises(ValueError, match=f"{name}.* has 64 MB, more than 64 MB of text"):
        (read_pose_file if name.endswith("json") else read_landmark_file)(path)
