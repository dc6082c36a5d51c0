# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf"]
# ///
"""Draw successive frames of a talking video below the spectrogram of its sound.

python scripts/draw_speech_strip.py talking.mp4 --start 0.9 --end 1.4 --output docs/images/strip.png --mark 1.12=p --mouth
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from transformers.utils import logging

from adaat_hf import AdaATFeatureExtractor, VideoReader
from adaat_hf.processing.backends import open_landmarker
from adaat_hf.processing.face_tracking import track_face
from adaat_hf.processing.images import save_image
from adaat_hf.processing.keypoints import MOUTH
from adaat_hf.processing.sound import load_sound


WIDTH, SPECTRUM = 150, 130


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video")
    parser.add_argument("--start", type=float, required=True, help="seconds")
    parser.add_argument("--end", type=float, required=True, help="seconds")
    parser.add_argument("--step", type=int, default=1, help="show every n-th frame (1)")
    parser.add_argument("--mark", nargs="*", default=[], metavar="SECONDS=TEXT", help="sounds to name")
    parser.add_argument("--mouth", action="store_true", help="show the mouth instead of the whole face")
    parser.add_argument("--landmarker", default="bundled/face", help="'mediapipe:FILE' or a landmarker's folder")
    parser.add_argument("--output", type=Path, required=True, help="picture to write")
    args = parser.parse_args()
    logging.disable_progress_bar()
    reader = VideoReader(args.video)
    first, last = round(args.start * float(reader.fps)), round(args.end * float(reader.fps))
    frames = [frame for number, frame in enumerate(reader) if first <= number < last][:: args.step]
    if not frames:
        parser.error(f"the video has no frame from {args.start} to {args.end} seconds")
    track = track_face(frames, open_landmarker(args.landmarker))
    faces = track.points[track.found][:, MOUTH if args.mouth else slice(None)]
    if not len(faces):
        parser.error("no face was found in these frames")
    box = (*faces.min((0, 1)), *faces.max((0, 1)))
    shown = [cv2.resize(cut(frame, box), (WIDTH, WIDTH), interpolation=cv2.INTER_AREA) for frame in frames]
    duration = len(frames) * args.step / float(reader.fps)
    start = first / float(reader.fps)
    spectrum = spectrogram(load_sound(args.video, video_time=True), start, duration, WIDTH * len(shown))
    for mark in args.mark:
        seconds, _, text = mark.partition("=")
        place = int((float(seconds) - start) / duration * spectrum.shape[1])
        cv2.putText(spectrum, text, (place - 6, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 255, 255), 2, cv2.LINE_AA)
    save_image(np.concatenate([spectrum, np.concatenate(shown, 1)]), args.output)
    print(f"{args.output}: {len(shown)} frames from {start:.2f} s on")


def cut(frame: np.ndarray, box: tuple[float, ...]) -> np.ndarray:
    """A square around the face, within the frame."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    half = min(0.65 * max(box[2] - box[0], box[3] - box[1]), *(side / 2 for side in frame.shape[:2]))
    x, y = (min(max(value, half), side - half) for value, side in ((x, frame.shape[1]), (y, frame.shape[0])))
    return frame[int(y - half) : int(y + half), int(x - half) : int(x + half)]


def spectrogram(sound: np.ndarray, start: float, duration: float, width: int) -> np.ndarray:
    """Log-mel spectrogram of a stretch, low frequencies below; (SPECTRUM, width, 3), uint8."""
    extractor = AdaATFeatureExtractor()
    features = extractor(sound, return_tensors="np")["input_features"][0]
    rate = extractor.sampling_rate / extractor.hop_length
    stretch = features[round(start * rate) : round((start + duration) * rate)].T[::-1]
    grey = np.clip((stretch + 1.5) / 3 * 255, 0, 255).astype(np.uint8)
    coloured = cv2.applyColorMap(cv2.resize(grey, (width, SPECTRUM)), cv2.COLORMAP_MAGMA)
    return np.ascontiguousarray(coloured[:, :, ::-1])


if __name__ == "__main__":
    main()
