"""Prepared data is read again: damage is found, moved away with its reason, and the rest goes on."""

import io
import json
import shutil
import tarfile

import numpy as np
import pytest
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from adaat_hf.cli import main
from adaat_hf.preparation.leaks import find_leaks
from adaat_hf.preparation.manifest import read_manifest, terms
from adaat_hf.preparation.sanity import InsaneClip, check_clip, fingerprint
from adaat_hf.preparation.shards import Receipt, clip_hash, file_hash, read_clips, read_receipt
from adaat_hf.preparation.verification import verify_dataset
from adaat_hf.processing.images import load_image
from adaat_hf.processing.sound import encode_sound
from adaat_hf.training.packs import FACTS, SOUND, TENSORS, VIDEO, read_packs, write_pack


@pytest.fixture
def voxceleb(prepared, tmp_path):
    """A copy that may be damaged."""
    return shutil.copytree(prepared / "voxceleb", tmp_path / "voxceleb")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["voxceleb", "hdtf", "iper", "deepfashion"])
def test_what_was_prepared_is_sound(prepared, tmp_path, name, capsys):
    before = {path: path.read_bytes() for path in (prepared / name).rglob("*") if path.is_file()}
    assert main(["verify", str(prepared / name), "--sheet", str(tmp_path / "sheet.png"), "--workers", "1"]) == 0
    assert "All is sound." in capsys.readouterr().out
    assert {path: path.read_bytes() for path in before} == before
    sheet = load_image(tmp_path / "sheet.png")
    clips = sum(shard["clips"] for shard in read_manifest(prepared / name)["shards"])
    green = (sheet[..., 1] > 200) & (sheet[..., 0] < 80) & (sheet[..., 2] < 80)
    assert sheet.shape[1] == 8 * 160 and clips <= 8 and (name not in ("voxceleb", "hdtf") or green.sum() > 300)


def damage(folder, suffix, shard=0):
    """Overwrite the middle of a clip's part; returns its key."""
    path = sorted(folder.rglob("train/*.tar"))[shard]
    with tarfile.open(path) as archive:
        member = next(member for member in archive if member.name.endswith(suffix))
    with open(path, "r+b") as file:
        file.seek(member.offset_data + member.size // 2)
        file.write(b"\xff\x00\xff\x00")
    return path, member.name.removesuffix(suffix)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [VIDEO, TENSORS, FACTS])
def test_changed_bytes_are_found_and_the_clip_is_quarantined(voxceleb, suffix):
    before = {clip.key for clip in read_packs(voxceleb / "train")}
    path, key = damage(voxceleb, suffix)
    report = verify_dataset(voxceleb, check_only=True, workers=1)
    assert not report.sound and "its bytes have changed" in str(report)
    assert path.stat().st_size == read_receipt(voxceleb, f"train/{path.stem}").bytes, "nothing is changed unasked"
    report = verify_dataset(voxceleb, workers=1)
    assert report.sound and f"quarantined: {key}: it is not what was prepared" in str(report)
    left = {clip.key for clip in read_packs(voxceleb / "train")}
    assert left == before - {key}
    assert {file.name for file in (voxceleb / "quarantine" / "train").iterdir()} >= {
        key + VIDEO,
        key + TENSORS,
        key + FACTS,
    }
    manifest = read_manifest(voxceleb)
    assert manifest["splits"]["train"]["segments"] == len(left) and manifest["splits"]["train"]["left_out"] == 1
    assert "quarantined: it is not" in (voxceleb / "left_out.csv").read_text()
    for shard in manifest["shards"]:
        assert not shard["sha256"] or file_hash(voxceleb / f"{shard['name']}.tar") == shard["sha256"]
    assert verify_dataset(voxceleb, workers=1).sound


@pytest.mark.slow
def test_a_shard_that_was_cut_off_or_lost(voxceleb):
    first, second = sorted(voxceleb.rglob("train/*.tar"))[:2]
    content = first.read_bytes()
    first.write_bytes(content[: len(content) // 3])
    second.unlink()
    report = verify_dataset(voxceleb, workers=1)
    text = str(report)
    assert not report.sound and "The file is missing; start adaat prepare again" in text
    assert "it is not what was prepared" in text or "it cannot be found in the shard" in text
    (voxceleb / "plan.json").write_text((voxceleb / "plan.json").read_text().replace("clips-00001", "clips-00009"))
    assert "not finished: train/clips-00009; start adaat prepare again" in str(verify_dataset(voxceleb, workers=1))


def test_clips_after_a_damaged_header_are_found(tmp_path):
    clips = [(f"clip{number}", {".json": b"{}", ".bin": bytes([number]) * 700}) for number in range(3)]
    path = write_pack(tmp_path / "clips-00000.tar", clips)
    with tarfile.open(path) as archive:
        member = archive.getmembers()[2]
    with open(path, "r+b") as file:
        file.seek(member.offset + 20)
        file.write(b"broken")
    found = dict(read_clips(path))
    assert found["clip0"] == clips[0][1] and found["clip2"] == clips[2][1]


@pytest.fixture
def clip(prepared):
    """The parts of a sound clip of a face, with sound."""
    for path in sorted((prepared / "voxceleb").rglob("*.tar")):
        for _, parts in read_clips(path):
            if SOUND in parts:
                return parts
    raise AssertionError("no clip has sound")


def changed(parts, **values):
    tensors = load_tensors(parts[TENSORS])
    return parts | {TENSORS: save_tensors({**tensors, **{k: v(tensors[k]).contiguous() for k, v in values.items()}})}


def long_sound():
    buffer = io.BytesIO()
    encode_sound(np.zeros(40_000, np.float32), 16_000, buffer)
    return buffer.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: changed(p, points=lambda x: x * float("nan")), "key points are not finite"),
        (lambda p: changed(p, points=lambda x: x + 500), "lie far beyond the picture"),
        (lambda p: changed(p, points=lambda x: x * 0.05 + 30), r"its subject takes \d of 64 pixels"),
        (lambda p: changed(p, points=lambda x: x * x.new_tensor([1, -1]) + x.new_tensor([0, 64])), "out of order"),
        (lambda p: changed(p, points=lambda x: x + 25 * (x.new_tensor(range(len(x))) % 2)[:, None, None]), "jump in"),
        (lambda p: changed(p, points=lambda x: x[:-1]), "points have shape"),
        (lambda p: changed(p, visibility=lambda x: x * 0), "no frame has a key point"),
        (lambda p: changed(p, visibility=lambda x: x[:, :5]), "visibility has shape"),
        (lambda p: changed(p, expression=lambda x: x / 0), "expression has values that are not finite"),
        (lambda p: p | {FACTS: json.dumps({**json.loads(p[FACTS]), "frames": 99}).encode()}, "99 are stated"),
        (lambda p: p | {SOUND: long_sound()}, "its sound lasts 2.50 s"),
        (lambda p: p | {VIDEO: b"nothing"}, "it cannot be read"),
        (lambda p: {name: part for name, part in p.items() if name != TENSORS}, "it cannot be read"),
    ],
)  # fmt: skip
def test_clips_that_must_not_be_trained_on(clip, spoil, message):
    assert check_clip(clip).shape == (64, 64, 3)
    with pytest.raises(InsaneClip, match=message):
        check_clip(spoil(clip))


@pytest.mark.slow
def test_key_points_that_make_no_sense_are_quarantined(voxceleb):
    path = sorted(voxceleb.rglob("train/*.tar"))[0]
    clips = dict(read_clips(path))
    key = next(iter(clips))
    clips[key] = changed(clips[key], points=lambda x: x * 0.05 + 30)
    write_pack(path, clips.items())
    receipt = read_receipt(voxceleb, f"train/{path.stem}")
    receipt.clips[key]["sha256"] = clip_hash(clips[key])
    receipt.sha256, receipt.bytes = file_hash(path), path.stat().st_size
    receipt.write(voxceleb)
    report = verify_dataset(voxceleb, workers=1)
    assert report.sound and f"quarantined: {key}: its subject takes" in str(report)
    kept = {clip.key for clip in read_packs(voxceleb / "train")}
    assert key not in kept and kept


def entry(person="anna", video="v", sha256="x", subject=None):
    return {
        "sha256": sha256,
        "frames": 2,
        "seconds": 1.0,
        "person": person,
        "subject": subject or person,
        "video": video,
        "clip": video,
    }


def test_what_splits_share_is_found():
    train = Receipt("train/clips-00000", "h", 1, {"a": entry("anna", "v1", "1"), "b": entry("ben", "v2", "2")})
    test = Receipt(
        "test/clips-00000", "h", 1, {"c": entry("cleo", "v3", "2"), "d": entry("anna", "v1", "4", "anna/2")}
    )
    random = np.random.default_rng(0)
    frame = random.integers(0, 255, (64, 64, 3), np.uint8)
    noisy = np.clip(frame.astype(int) + random.integers(-4, 5, frame.shape), 0, 255).astype(np.uint8)
    other = random.integers(0, 255, (64, 64, 3), np.uint8)
    prints = [
        {"a": fingerprint(frame), "b": fingerprint(other)},
        {"c": fingerprint(noisy), "d": fingerprint(other[::-1])},
    ]
    leaks = {leak.what: leak for leak in find_leaks([(train, {}, prints[0]), (test, {}, prints[1])])}
    assert leaks.keys() == {"persons", "videos", "clip contents", "pictures that look alike"}
    assert not leaks["persons"].serious and leaks["videos"].serious and leaks["clip contents"].serious
    assert leaks["pictures that look alike"].names == ["c ~ a"]
    assert str(leaks["videos"]) == "leak: test and train share 1 videos: v1"
    assert not find_leaks([(train, {}, prints[0]), (test, {"c": "", "d": ""}, {})])


def test_folders_that_are_something_else(tmp_path, capsys):
    assert main(["verify", str(tmp_path)]) == 1
    assert "no data set that `adaat prepare` finished" in capsys.readouterr().err
    (tmp_path / "manifest.json").write_text("{")
    assert main(["verify", str(tmp_path)]) == 1
    assert "is damaged" in capsys.readouterr().err


@pytest.mark.slow
def test_cards_state_the_terms_of_the_data(prepared, tmp_path):
    found = terms([str(prepared / "voxceleb" / "train"), str(prepared / "iper" / "train"), str(tmp_path)])
    assert (
        len(found) == 2 and "CC BY 4.0" in found[0] and "without asking them" in found[0] and "30 actors" in found[1]
    )
    assert "3 clips to train" in found[0] and str(prepared) not in "".join(found)
