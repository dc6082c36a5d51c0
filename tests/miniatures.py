"""Miniature copies of the published layouts of VoxCeleb, HDTF, iPER and DeepFashion, with their quirks, made of two pictures."""

import json
import pickle
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import PIL.Image
from conftest import draw_person
from sounds import tone

from adaat_hf.bundled import FIGURE_SAMPLE
from adaat_hf.processing.images import load_image


FPS = 25


def portrait(astronaut: np.ndarray, shift: int, mirrored: bool = False) -> np.ndarray:
    """A face (300, 320, 3) that stands `shift` pixels further right."""
    picture = np.roll(astronaut[:300, 70:390], shift, axis=1)
    return np.ascontiguousarray(picture[:, ::-1] if mirrored else picture)


def figure(shift: int, side: int = 256) -> np.ndarray:
    """A whole person (side, side, 3) that stands `shift` pixels further right."""
    picture = load_image(FIGURE_SAMPLE)
    height, width = picture.shape[:2]
    matrix = np.array([[side / height, 0, (side - width * side / height) / 2 + shift], [0, side / height, 0]])
    small = cv2.GaussianBlur(picture, (0, 0), 0.4 * height / side)
    return cv2.warpAffine(small, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)


def write_video(path: Path, frames: list[np.ndarray], fps: float = FPS, sound: bool = False) -> Path:
    """An mp4 of frames (H, W, 3), perhaps with a tone that swells twice a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = frames[0].shape[:2]
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000), options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.gop_size = 10
        track = file.add_stream("aac", rate=16_000, layout="mono") if sound else None
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        file.mux(stream.encode(None))
        if track is not None:
            wave = tone(len(frames) / fps)
            for start in range(0, len(wave), 1024):
                chunk = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], "fltp", "mono")
                chunk.sample_rate, chunk.pts, chunk.time_base = 16_000, start, Fraction(1, 16_000)
                file.mux(track.encode(chunk))
            file.mux(track.encode(None))
    return path


def make_voxceleb(folder: Path, astronaut: np.ndarray) -> Path:
    """Two persons to train on and one to test on; one video is missing, one has half the size and another rate, one line is
    broken."""
    faces = [portrait(astronaut, shift) for shift in range(0, 40, 2)]
    write_video(folder / "videos" / "aaaaaaaaaaa.mp4", faces, sound=True)
    small = [cv2.resize(portrait(astronaut, shift, True), (160, 150)) for shift in range(0, 40, 2)]
    write_video(folder / "videos" / "bbbbbbbbbbb.mkv", small, fps=30)
    write_video(folder / "videos" / "ccccccccccc.mp4", [np.roll(face, 60, 0) for face in faces])
    (folder / "vox-metadata.csv").write_text(
        "video_id,start,end,bbox,fps,width,height,partition,person_id\n"
        "aaaaaaaaaaa,2,8,40-10-280-240,25,320,300,train,id10005\n"
        "aaaaaaaaaaa,10,18,40-10-300-240,25,320,300,train,id10005\n"
        "bbbbbbbbbbb,0,10,40-10-280-240,25,320,300,train,id10003\n"
        "ccccccccccc,0,6,40-50-280-300,25,320,300,test,id10001\n"
        "ddddddddddd,0,6,40-10-280-240,25,320,300,train,id10009\n"
        "eeeeeeeeeee,0,6,40-10-280,25,320,300,train,id10009\n"
        "aaaaaaaaaaa,2,8,40-10-280-240,25,320,300,train,id10005\n"
    )
    return folder


def make_hdtf(folder: Path, astronaut: np.ndarray) -> Path:
    """Clips of three speakers; a crop, a resolution and a video are missing, one video is named by its YouTube id."""
    lists = folder / "HDTF_dataset"
    lists.mkdir(parents=True)
    faces = [portrait(astronaut, shift) for shift in range(50)]
    write_video(folder / "RD_Radio1.mp4", faces, sound=True)
    write_video(folder / "AmyKlobuchar1.mp4", [face[:, ::-1].copy() for face in faces], sound=True)
    write_video(folder / "raw" / "xyzxyzxyzxy.mp4", [np.roll(face, 20, 0) for face in faces])
    (lists / "RD_video_url.txt").write_text(
        "Radio1 https://www.youtube.com/watch?v=CPCoMyuBRM0\nRadio9 https://www.youtube.com/watch?v=uBWJJvynXpA&t=6s\n"
    )
    (lists / "RD_annotion_time.txt").write_text("Radio1.mp4 00:00-00:01  00:01-00:02\nRadio9.mp4 00:00-00:01\n\n")
    (lists / "RD_crop_wh.txt").write_text(
        "Radio1_0.mp4 40 480 20 480\nRadio1_1.mp4 40 480 20 480\nRadio9_0.mp4 0 500 0 500\n"
    )
    (lists / "RD_resolution.txt").write_text("Radio1.mp4 600\nRadio9.mp4 720\n")
    (lists / "WDA_video_url.txt").write_text(
        "AmyKlobuchar1 https://www.youtube.com/watch?v=aaa\nAndyKim https://www.youtube.com/watch?v=xyzxyzxyzxy&t=6s\n"
    )
    (lists / "WDA_annotion_time.txt").write_text(
        "AmyKlobuchar1.mp4 00:00-00:01 00:01-00:02\nAndyKim.mp4 00:00-00:01\nChrisCoons.mp4 00:01-00:02\n"
    )
    (lists / "WDA_crop_wh.txt").write_text(
        "AmyKlobuchar1_0.mp4 40 240 10 240\nAndyKim_0.mp4 40 240 20 240\nChrisCoons_0.mp4 40 240 20 240\n"
    )
    (lists / "WDA_resolution.txt").write_text("AmyKlobuchar1.mp4 300\nAndyKim.mp4 300\n")
    return folder


def make_iper(folder: Path) -> Path:
    """Frames with names that are not filled up, a video, SMPL files of both kinds, and a clip that is missing."""
    folder.mkdir(parents=True)
    (folder / "train.txt").write_text("001/1/1\n001/2/1\n\n009/1/2\n")
    (folder / "val.txt").write_text("002/1/1\n")
    frames = folder / "images" / "001" / "1" / "1"
    frames.mkdir(parents=True)
    for number in range(12):
        PIL.Image.fromarray(figure(2 * number)).save(frames / f"{number}.png")
    write_video(
        folder / "iPER_256_video_release" / "001_2_1.mp4", [figure(-2 * n)[:, ::-1].copy() for n in range(8)], 30
    )
    write_video(folder / "iPER_256_video_release" / "002_1_1.mp4", [figure(40 - 2 * n) for n in range(8)], 30)
    for clip, count in (("001/1/1", 12), ("002/1/1", 5)):
        place = folder / "smpls" / clip
        place.mkdir(parents=True)
        cams = np.tile(np.array([0.8, 0.1, 0.05], np.float32), (count, 1))
        cams[:, 1] += 0.01 * np.arange(count)
        values = {"cams": cams, "pose": np.zeros((count, 72), np.float32), "shape": np.zeros((count, 10), np.float32)}
        if clip == "001/1/1":
            np.savez(place / "pose_shape.npz", **values)
        else:
            (place / "pose_shape.pkl").write_bytes(pickle.dumps(values, protocol=2))
    return folder


NAMES = (
    "fashionWOMENDressesid0000262902_1front.jpg",
    "fashionWOMENDressesid0000262902_3back.jpg",
    "fashionWOMENDressesid0000262902_7additional.jpg",
    "fashionMENDenimid0000008001_1front.jpg",
    "fashionMENDenimid0000008001_2side.jpg",
)


def make_deepfashion(folder: Path, standing_pose: np.ndarray) -> Path:
    """Pictures in the three forms that are around, y-first key points, a missing point, picture and annotation."""
    random = np.random.default_rng(1)
    points = {name: (standing_pose + random.normal(0, 0.01, (18, 2))) * [176, 256] for name in NAMES}
    pictures = {name: draw_person(points[name], 256, 176, random.integers(0, 255, (6, 3))) for name in NAMES}
    own = folder / "fashion" / "WOMEN" / "Dresses" / "id_00002629"
    own.mkdir(parents=True)
    PIL.Image.fromarray(pictures[NAMES[0]]).save(own / "02_1_front.jpg", quality=95)
    for name in (NAMES[1], NAMES[2], NAMES[3]):
        PIL.Image.fromarray(pictures[name]).save(folder / name, quality=95)
    padded = np.pad(pictures[NAMES[4]], ((0, 0), (40, 40), (0, 0)), constant_values=255)
    PIL.Image.fromarray(padded).save(folder / NAMES[4], quality=95)
    points[NAMES[2]][4] = -1
    first, second, third, fourth, fifth = NAMES
    lines = ["name:keypoints_y:keypoints_x"]
    for name in (first, second, third):
        x, y = points[name].round().astype(int).T.tolist()
        lines.append(f"{name}: {y}: {x}")
    lines.append(f"{fourth}: [1, 2")
    (folder / "fasion-resize-annotation-train.csv").write_text("\n".join(lines) + "\n")
    listed = [(first, second), (second, first), (third, first), (fourth, first), (first, "fashionlost_1front.jpg")]
    (folder / "fasion-resize-pairs-train.csv").write_text("from,to\n" + "".join(f"{a},{b}\n" for a, b in listed))
    items = [
        {
            "source_image": f"test/{a}",
            "target_image": b,
            "source_lm": points[a].round().tolist(),
            "target_lm": points[b].round().tolist(),
        }
        for a, b in ((fourth, fifth), (fifth, fourth))
    ]
    (folder / "fashion-test.json").write_text(json.dumps(items))
    return folder
