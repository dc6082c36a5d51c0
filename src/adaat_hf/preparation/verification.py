"""Read a prepared data set again: hashes, contents, key points, and whether its splits are apart."""

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from safetensors.torch import load as load_tensors
from tqdm.auto import tqdm

from ..evaluation.contact_sheet import contact_sheet
from ..processing.body_keypoints import BODY18
from ..processing.drawing import draw_pose
from ..processing.images import save_image
from ..training.packs import TENSORS
from .engines import side_by_side
from .leaks import Leak, find_leaks
from .manifest import read_manifest, write_manifest
from .plan import read_plan
from .quarantine import quarantine
from .sanity import InsaneClip, check_clip, fingerprint
from .shards import Receipt, clip_hash, file_hash, read_clips, read_receipt


SHEET = "contact_sheet.jpg"
SHOWN, SHOWN_WIDTH = 48, 160


@dataclass
class ShardCheck:
    """What was found in a shard.

    Args:
        receipt ([`Receipt`]): What should be in it.
        broken (`dict[str, str]`): Why clips must not be trained on, by key.
        problem (`str`, *optional*): What is wrong with the shard as a whole.
        fingerprints (`dict[str, int]`): Of the middle frame of every sound clip; see [`fingerprint`].
        shown (`list[np.ndarray]`): Small pictures of some clips with their key points.
    """

    receipt: Receipt
    broken: dict[str, str] = field(default_factory=dict)
    problem: str = ""
    fingerprints: dict[str, int] = field(default_factory=dict)
    shown: list[np.ndarray] = field(default_factory=list)


@dataclass(frozen=True)
class VerificationReport:
    """What is right and wrong with a data set.

    Args:
        checks (`list[ShardCheck]`): Of every shard.
        unfinished (`list[str]`): Shards that were planned but are not there.
        leaks (`list[Leak]`): What several splits share.
        quarantined (`bool`): Whether broken clips were moved away.
        sheet (`Path`, *optional*): The contact sheet.
    """

    checks: list[ShardCheck]
    unfinished: list[str]
    leaks: list[Leak]
    quarantined: bool
    sheet: Path | None

    @property
    def sound(self) -> bool:
        """Whether nothing is left that would spoil training or a comparison."""
        broken = any(check.problem or (check.broken and not self.quarantined) for check in self.checks)
        return not (broken or self.unfinished or any(leak.serious for leak in self.leaks))

    def __str__(self) -> str:
        lines = ["| split | shards | clips | frames | broken |", "|---|---|---|---|---|"]
        for split in sorted({check.receipt.split for check in self.checks}):
            checks = [check for check in self.checks if check.receipt.split == split]
            broken = sum(len(check.broken) for check in checks)
            good = [clip for c in checks for key, clip in c.receipt.clips.items() if key not in c.broken]
            lines.append(
                f"| {split} | {len(checks)} | {len(good)} | {sum(clip['frames'] for clip in good)} | {broken} |"
            )
        lines += [f"{check.receipt.name}: {check.problem}" for check in self.checks if check.problem]
        moved = "quarantined" if self.quarantined else "broken"
        lines += [f"{moved}: {key}: {why}" for check in self.checks for key, why in check.broken.items()]
        lines += [f"not finished: {name}; start adaat prepare again" for name in self.unfinished]
        lines += [str(leak) for leak in self.leaks]
        if self.sheet is not None:
            lines.append(f"{self.sheet}: a frame of {sum(len(check.shown) for check in self.checks)} clips")
        return "\n".join([*lines, "All is sound." if self.sound else "Not all is sound."])


def verify_dataset(
    folder: Path, *, sheet: Path | None = None, check_only: bool = False, workers: int = 0
) -> VerificationReport:
    """Check what [`prepare_dataset`] made, and move clips that must not be trained on to `quarantine/`.

    Args:
        folder (`Path`): Its output.
        sheet (`Path`, *optional*): Where the contact sheet goes; into the folder by default.
        check_only (`bool`, *optional*, defaults to `False`): Leave everything as it is.
        workers (`int`, *optional*, defaults to 0): Processes; 0 for one per core.

    Raises:
        FileNotFoundError: if the folder holds no manifest: it was never finished, or is something else.
        ValueError: if manifest or plan are damaged.
    """
    read_manifest(folder)
    plan = read_plan(folder)
    names = list(plan.shards) if plan is not None else []
    receipts = [receipt for name in names if (receipt := read_receipt(folder, name)) is not None]
    finished = [receipt for receipt in receipts if receipt.sha256]
    # Spread over the shards, so that many of them take no more memory than few.
    step, shown = max(1, len(finished) // SHOWN), -(-SHOWN // max(1, len(finished)))
    jobs = [(folder, receipt, shown if n % step == 0 else 0) for n, receipt in enumerate(finished)]
    found = side_by_side(check_shard, jobs, workers)
    bar = tqdm(found, total=len(jobs), desc="verifying on cpu", unit="shard")
    checks = sorted(bar, key=lambda check: check.receipt.name)
    broken = any(check.broken for check in checks)
    if plan is not None and broken and not check_only:
        changed = {
            check.receipt.name: quarantine(folder, check.receipt, check.broken) for check in checks if check.broken
        }
        write_manifest(folder, plan, [changed.get(receipt.name, receipt) for receipt in receipts])
    unfinished = sorted(set(names) - {receipt.name for receipt in receipts})
    leaks = find_leaks([(check.receipt, check.broken, check.fingerprints) for check in checks])
    drawn = [picture for check in checks for picture in check.shown][:SHOWN]
    where = (sheet or folder / SHEET) if drawn else None
    if where is not None:
        save_image(contact_sheet(drawn, len(drawn), columns=8, rows=6, width=SHOWN_WIDTH), where)
    return VerificationReport(checks, unfinished, leaks, broken and not check_only, where)


def check_shard(job: tuple[Path, Receipt, int]) -> ShardCheck:
    """Check one shard: its folder, its receipt, and how many clips are to be shown."""
    folder, receipt, shown = job
    check, path = ShardCheck(receipt), folder / f"{receipt.name}.tar"
    if not path.is_file():
        check.problem = "The file is missing; start adaat prepare again, which makes it anew."
        return check
    whole = file_hash(path) == receipt.sha256
    found: set[str] = set()
    keys = list(receipt.clips)
    drawn = {keys[n] for n in np.linspace(0, len(keys) - 1, min(shown, len(keys))).astype(int)}
    for key, parts in read_clips(path):
        if key not in receipt.clips:
            # A run that was killed while it moved a clip away may have left it.
            continue
        found.add(key)
        if clip_hash(parts) != receipt.clips[key]["sha256"]:
            check.broken[key] = "it is not what was prepared: its bytes have changed"
            continue
        try:
            frame = check_clip(parts)
        except InsaneClip as error:
            check.broken[key] = str(error)
            continue
        check.fingerprints[key] = fingerprint(frame)
        if key in drawn:
            check.shown.append(_draw(frame, parts[TENSORS]))
    check.broken |= dict.fromkeys(receipt.clips.keys() - found, "it cannot be found in the shard")
    if not whole and not check.broken:
        check.problem = (
            "The file's hash is not that of its receipt, but all clips are intact; start adaat prepare again."
        )
    return check


def _draw(frame: np.ndarray, tensors: bytes) -> np.ndarray:
    """The middle frame with its key points."""
    values = load_tensors(tensors)
    middle = len(values["points"]) // 2
    points, seen = values["points"][middle].numpy(), values["visibility"][middle].numpy()
    if len(points) == BODY18.count:
        return draw_pose(points, seen, frame)
    drawn = np.ascontiguousarray(frame)
    for point in points[seen > 0].round().astype(int).tolist():
        cv2.circle(drawn, point, max(1, frame.shape[0] // 128), (0, 255, 0), -1, cv2.LINE_AA)
    return drawn
