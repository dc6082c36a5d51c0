"""Pictures of every kind become upright RGB, or a clear error."""

import numpy as np
import PIL.Image
import pytest
import torch

from adaat_hf import ImageError, load_image
from adaat_hf.processing.images import as_images, save_image


@pytest.fixture
def picture():
    ramp = np.linspace(0, 255, 20 * 30 * 3).reshape(20, 30, 3)
    return ramp.astype(np.uint8)


def test_files_arrays_and_tensors_agree(picture, tmp_path):
    PIL.Image.fromarray(picture).save(tmp_path / "p.png")
    tensor = torch.from_numpy(picture).permute(2, 0, 1)
    for image in (tmp_path / "p.png", PIL.Image.fromarray(picture), picture, picture / 255.0, tensor, tensor / 255):
        assert np.array_equal(load_image(image), picture)


def test_exif_rotation_is_applied(picture, tmp_path):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.fromarray(picture).save(tmp_path / "p.png", exif=exif)
    assert np.array_equal(load_image(tmp_path / "p.png"), np.rot90(picture, 3))


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "RGBA", "LA"])
def test_other_modes_become_rgb(picture, mode, tmp_path):
    suffix = "tif" if mode == "CMYK" else "png"
    image = PIL.Image.fromarray(picture).convert(mode)
    image.save(tmp_path / f"p.{suffix}")
    found = load_image(tmp_path / f"p.{suffix}")
    assert found.shape == (20, 30, 3) and found.dtype == np.uint8
    if mode in ("CMYK", "RGBA"):
        assert np.abs(found.astype(int) - picture).max() <= 3


def test_sixteen_bit_gray_keeps_its_range(tmp_path):
    values = np.linspace(0, 65535, 600).reshape(20, 30).astype(np.uint16)
    PIL.Image.fromarray(values).save(tmp_path / "p.png")
    found = load_image(tmp_path / "p.png")
    assert found.min() == 0 and found.max() == 255 and abs(int(found[10, 15, 0]) - values[10, 15] / 257) < 1.5
    assert np.array_equal(load_image(values), found)


def test_transparency_is_laid_over_white(tmp_path):
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[..., 3] = [0, 85, 170, 255]
    PIL.Image.fromarray(rgba).save(tmp_path / "p.png")
    assert load_image(tmp_path / "p.png")[0, :, 0].tolist() == [255, 170, 85, 0]


def test_what_is_no_picture_is_refused(tmp_path):
    text = tmp_path / "text.jpg"
    text.write_text("no picture")
    empty = tmp_path / "empty.png"
    empty.touch()
    for path in (text, empty):
        with pytest.raises(ImageError, match="cannot be read as an image"):
            load_image(path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_image(tmp_path / "none.png")
    for array, message in (
        (np.zeros((4, 4, 5), np.uint8), "has shape"),
        (np.full((4, 4, 3), 255.0), r"values span 255 to 255, expected \[0, 1\]"),
        (np.zeros((4, 4, 3), np.int64), "has type int64"),
        (np.zeros((0, 4, 3), np.uint8), "has shape"),
    ):
        with pytest.raises(ImageError, match=message):
            load_image(array)


def test_damaged_pictures_are_refused(picture, tmp_path):
    path = tmp_path / "p.jpg"
    PIL.Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200, 3)).astype(np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ImageError, match="cannot be read"):
        load_image(path)


def test_bombs_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("adaat_hf.processing.images.MAX_IMAGE_PIXELS", 100)
    PIL.Image.new("RGB", (20, 20)).save(tmp_path / "p.png")
    with pytest.raises(ImageError, match="20x20, more than 100 pixels"):
        load_image(tmp_path / "p.png")


def test_batches_become_lists(picture):
    assert len(as_images(np.stack([picture, picture]))) == 2
    assert len(as_images([picture])) == 1 and len(as_images("file.png")) == 1


def test_saving_leaves_no_half_file(picture, tmp_path):
    assert np.array_equal(load_image(save_image(picture, tmp_path / "p.png")), picture)
    with pytest.raises(ImageError, match="cannot be written"):
        save_image(picture, tmp_path / "p.xyz")
    assert [path.name for path in tmp_path.iterdir()] == ["p.png"]
