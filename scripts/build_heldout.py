# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf[evaluate]"]
# ///
"""Write the list of the held-out benchmark: which files belong to which case, with their hashes.

    python scripts/build_heldout.py --data ../shared/data --people scripts/configs/exercise_people.yaml

Faces: all clips of `faces/val`, whose persons are not in the training clips. Across identities: every photograph of `real/photos`,
and the first frames of every fifth clip, each with a clip of somebody else. Talking: the clips of `faces/val` with sound. Persons:
both photographs of the held-out subjects.
"""

import argparse
import csv
import io
from pathlib import Path

import numpy as np

from adaat_hf.atomic import write_text
from adaat_hf.evaluation.heldout import COLUMNS, HELDOUT_LIST
from adaat_hf.preparation.shards import file_hash
from adaat_hf.training.people import SEPARATOR, People
from adaat_hf.video import VideoReader, find_videos


SEED = 2022
LEAST_TALKING_FRAMES = 25


def face_cases(data: Path) -> list[tuple[str, str, dict[str, Path]]]:
    """Task, name and files of all cases with faces."""
    clips = find_videos(data / "faces" / "val")
    photos = sorted((data / "real" / "photos").iterdir())
    order = np.random.default_rng(SEED).permutation(len(clips))
    cases = [("reconstruction", clip.stem, {"clip": clip}) for clip in clips]
    sources = [*photos, *clips[::5]]
    for number, source in enumerate(sources):
        driver = clips[order[number % len(clips)]]
        if driver.stem.rpartition("__")[0] == source.stem.rpartition("__")[0]:
            # Clips of one origin may show the same person.
            driver = clips[order[(number + 7) % len(clips)]]
        cases.append(("cross-identity", f"{source.stem}+{driver.stem}", {"photo": source, "clip": driver}))
    for clip in clips:
        reader = VideoReader(clip)
        if reader.has_sound and reader.frame_estimate >= LEAST_TALKING_FRAMES:
            cases.append(("talking", clip.stem, {"clip": clip}))
    return cases


def person_cases(data: Path, people: People) -> list[tuple[str, str, dict[str, Path]]]:
    """The same of the held-out persons."""
    folder = data / "people" / "exercise_pairs"
    held_out = sorted(name for name, subject in people.subjects.items() if subject in people.held_out)
    found = []
    for name in held_out:
        files = sorted(folder.glob(f"{name}{SEPARATOR}[01].*"))
        if len(files) == 2:
            found.append(("persons", name, dict(zip(("first", "second"), files, strict=True))))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with faces/, real/ and people/")
    parser.add_argument("--people", type=Path, required=True, help="YAML: subjects, and who is held out")
    parser.add_argument("--output", type=Path, default=HELDOUT_LIST, help="the list (that of the package)")
    args = parser.parse_args()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    cases = face_cases(args.data) + person_cases(args.data, People.from_yaml(args.people))
    for task, name, files in cases:
        for role, file in files.items():
            writer.writerow([task, name, role, file.relative_to(args.data).as_posix(), file_hash(file)])
    print(f"{write_text(args.output, text.getvalue())}: {len(cases)} cases")


if __name__ == "__main__":
    main()
