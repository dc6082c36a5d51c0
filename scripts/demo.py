"""Animate a real photograph with the bundled checkpoint, then let it talk: no network, no account, no private picture.

The photograph is NASA's public-domain portrait of the astronaut Eileen Collins (in scikit-image); the motion is made by
numbers alone, and the voice by scripts/make_voice_sample.py. With --source, --driving and --audio it uses your own.
"""

import argparse
from pathlib import Path

from adaat_hf import AdaATPipeline, demo_motion
from adaat_hf.bundled import VOICE_SAMPLE, save_portrait
from adaat_hf.cli import main as adaat


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", help="your photograph")
    parser.add_argument("--driving", help="your driving video, landmark file or motion template")
    parser.add_argument("--audio", help="your sound of somebody speaking")
    parser.add_argument("--output", type=Path, default=Path("demo_output"), help="folder for the results")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    source = args.source or str(save_portrait(args.output / "source.png"))
    driving = args.driving or str(_motion(args.output / "motion.safetensors"))
    video, sheet = args.output / "reenacted.mp4", args.output / "contact_sheet.jpg"
    status = adaat(
        ["reenact", "--source", source, "--driving", driving, "--output", str(video), "--sheet", str(sheet)]
    )
    talking, talking_sheet = args.output / "talking.mp4", args.output / "talking_contact_sheet.jpg"
    status = status or adaat(
        ["talk", "--source", source, "--audio", args.audio or str(VOICE_SAMPLE), "--output", str(talking)]
        + ["--sheet", str(talking_sheet)]
    )
    if status == 0:
        print(f"\nThe video:         {video.resolve()}\nThe contact sheet: {sheet.resolve()}")
        print(f"Talking:           {talking.resolve()}\nIts contact sheet: {talking_sheet.resolve()}")
    return status


def _motion(path: Path) -> Path:
    pipe = AdaATPipeline.from_pretrained("bundled/face")
    return demo_motion(pipe.face_model).save(path)


if __name__ == "__main__":
    raise SystemExit(main())
