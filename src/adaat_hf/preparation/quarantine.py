"""Move broken clips out of a shard: the shard keeps the rest, nothing is thrown away."""

from collections.abc import Iterator
from pathlib import Path

from ..training.packs import write_pack
from .shards import Receipt, file_hash, read_clips


QUARANTINE = "quarantine"


def quarantine(folder: Path, receipt: Receipt, broken: dict[str, str]) -> Receipt:
    """Write a shard anew without its broken clips, whose parts go to `quarantine/<split>`; interrupted, it can be repeated.

    Args:
        folder (`Path`): Of the data set.
        receipt ([`Receipt`]): Of the shard.
        broken (`dict[str, str]`): Reasons by key.

    Returns:
        [`Receipt`]: That of the new shard, which is written.
    """
    path, aside = folder / f"{receipt.name}.tar", folder / QUARANTINE / receipt.split
    aside.mkdir(parents=True, exist_ok=True)
    clips = {key: clip for key, clip in receipt.clips.items() if key not in broken}

    def kept() -> Iterator[tuple[str, dict[str, bytes]]]:
        for key, parts in read_clips(path):
            if key in clips:
                yield key, parts
            else:
                for suffix, content in parts.items():
                    (aside / f"{key}{suffix}").write_bytes(content)

    write_pack(path, kept())
    reasons = {key: f"quarantined: {reason}" for key, reason in broken.items()}
    changed = Receipt(receipt.name, "", 0, clips, receipt.left_out | reasons)
    if clips:
        changed.sha256, changed.bytes = file_hash(path), path.stat().st_size
    else:
        path.unlink()
    changed.write(folder)
    return changed
