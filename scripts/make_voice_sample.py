# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf"]
# ///
"""Speak one sentence with a small formant synthesizer: the voice sample in the package, which is nobody's recording.

Formants are those of a cascade synthesizer (Klatt, 1980): pulses and noise go through resonators whose frequencies glide
from sound to sound.

    python scripts/make_voice_sample.py src/adaat_hf/bundled/voice.flac
"""

import argparse
from pathlib import Path

import numpy as np

from adaat_hf.processing.sound import encode_sound


RATE = 16_000
STEP = 80  # samples per parameter frame
PITCH = 185.0
BANDWIDTHS = (70.0, 100.0, 150.0, 250.0)
# Formants 1 to 3 in Hz, then amplitudes of voice, breath and hiss, and the frequency of the hiss.
SOUNDS: dict[str, tuple[float, ...]] = {
    "_": (500, 1500, 2500, 0, 0, 0, 3000),
    "h": (500, 1500, 2500, 0, 0.25, 0, 3000),
    "@": (520, 1480, 2500, 1, 0, 0, 3000),
    "E": (610, 1900, 2550, 1, 0, 0, 3000),
    "a": (760, 1300, 2600, 1, 0, 0, 3000),
    "A": (720, 1750, 2500, 1, 0, 0, 3000),
    "O": (560, 900, 2500, 1, 0, 0, 3000),
    "o": (480, 880, 2450, 1, 0, 0, 3000),
    "u": (330, 1000, 2300, 0.9, 0, 0, 3000),
    "w": (310, 720, 2200, 0.7, 0, 0, 3000),
    "i": (300, 2350, 3000, 0.9, 0, 0, 3000),
    "I": (410, 2050, 2600, 0.9, 0, 0, 3000),
    "l": (370, 1050, 2800, 0.6, 0, 0, 3000),
    "r": (340, 1100, 1650, 0.7, 0, 0, 3000),
    "m": (270, 1050, 2200, 0.45, 0, 0, 3000),
    "n": (280, 1600, 2500, 0.45, 0, 0, 3000),
    "v": (280, 1150, 2300, 0.45, 0, 0.05, 5500),
    "z": (290, 1700, 2600, 0.35, 0, 0.25, 6000),
    "s": (320, 1700, 2600, 0, 0, 0.45, 6200),
    "S": (320, 1800, 2600, 0, 0, 0.5, 3300),
    "f": (320, 1150, 2300, 0, 0.03, 0.15, 5500),
    "p": (320, 900, 2200, 0, 0, 0, 900),
    "t": (320, 1750, 2700, 0, 0, 0, 4500),
    "k": (320, 1900, 2400, 0, 0, 0, 2000),
    "b": (260, 900, 2200, 0.12, 0, 0, 900),
    "d": (260, 1700, 2600, 0.12, 0, 0, 4000),
}
STOPS = {"p": 0.5, "t": 0.7, "k": 0.6, "b": 0.25, "d": 0.3}
# "Hello. I am a picture. My lips move; people may hear my voice, but nobody made the recording."
SENTENCE = (
    "_25 h7 E9 l8 o12 u8 _22 a10 I8 A11 m9 @6 p9 I8 k8 t3 S10 @14 _18 m9 a10 I8 l8 I8 p9 s11 m9 u16 v9 _18 "
    "p9 i14 p9 @6 l9 m9 E8 I9 h5 I9 r11 m8 a8 I7 v9 O12 I9 s13 _14 b8 @8 t7 n8 o9 u6 b8 @7 d6 i11 m8 E9 I8 d6 "
    "@6 r8 @6 k8 O12 r9 d6 I8 n12 _35"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="flac or wav file")
    args = parser.parse_args()
    samples = synthesize(SENTENCE)
    encode_sound(samples, RATE, str(args.output), args.output.suffix.removeprefix("."))
    print(f"{args.output}: {len(samples) / RATE:.1f} s")


def synthesize(sentence: str) -> np.ndarray:
    """Speak sounds with lengths in hundredths of a second; samples (N,) in [-1, 1]."""
    random = np.random.default_rng(0)
    tracks = parameter_tracks(sentence)
    count = len(tracks) * STEP
    controls = np.stack([np.interp(np.arange(count), np.arange(len(tracks)) * STEP, track) for track in tracks.T], 1)
    seconds = np.arange(count) / RATE
    pitch = PITCH * (1.08 - 0.05 * seconds + 0.06 * np.sin(2 * np.pi * 0.7 * seconds) + 0.02 * np.sin(19 * seconds))
    phase = np.cumsum(pitch / RATE) % 1
    # The flow through the vocal folds rises, falls and closes; sound is its change (Rosenberg, 1971).
    flow = np.where(phase < 0.4, (1 - np.cos(np.pi * phase / 0.4)) / 2, np.cos(np.pi * (phase - 0.4) / 0.32))
    flow = np.where(phase > 0.56, 0, flow)
    noise = random.standard_normal(count)
    source = np.diff(flow, prepend=0) * controls[:, 3] * 6 + 0.05 * noise * controls[:, 4]
    for formant, bandwidth in enumerate(BANDWIDTHS):
        centre = controls[:, formant] if formant < 3 else np.full(count, 3600.0)
        source = resonate(source, centre, bandwidth)
    hiss = resonate(noise * controls[:, 5] * 0.12, controls[:, 6], 1200.0)
    samples = source + hiss
    return (0.7 * samples / np.abs(samples).max()).astype(np.float32)


def parameter_tracks(sentence: str) -> np.ndarray:
    """Targets of each frame (F, 7), gliding from sound to sound; stops close, burst and open."""
    rows: list[tuple[float, ...]] = []
    for item in sentence.split():
        name, length = item[0], int(item[1:]) * RATE // 100 // STEP
        rows += [SOUNDS[name]] * length
        if name in STOPS:
            burst = list(SOUNDS[name])
            burst[5] = STOPS[name]
            rows[-2:] = [tuple(burst)] * 2
    tracks = np.array(rows)
    width = np.hanning(11)[1:-1]
    for column in range(6):
        kernel = width / width.sum() if column < 3 else np.array([0.25, 0.5, 0.25])
        padded = np.pad(tracks[:, column], len(kernel) // 2, mode="edge")
        tracks[:, column] = np.convolve(padded, kernel, "valid")
    return tracks


def resonate(samples: np.ndarray, centre: np.ndarray, bandwidth: float) -> np.ndarray:
    """Two-pole resonator whose centre frequency changes from sample to sample."""
    radius = np.exp(-np.pi * bandwidth / RATE)
    second = -(radius**2)
    first = 2 * radius * np.cos(2 * np.pi * centre / RATE)
    gain = 1 - first - second
    result = np.zeros(len(samples))
    before = earlier = 0.0
    for number in range(len(samples)):
        value = gain[number] * samples[number] + first[number] * before + second * earlier
        result[number] = value
        before, earlier = value, before
    return result


if __name__ == "__main__":
    main()
