"""What happens with a driver's frames in which nobody is found."""

from collections.abc import Sequence
from typing import Literal


FramePolicy = Literal["hold", "skip", "raise"]
FRAME_POLICIES = ("hold", "skip", "raise")
# Numbers of frames that an error names.
SHOWN = 10


def refuse_missing(missing: Sequence[int], frame_policy: str, subject: str, error: type[ValueError]) -> None:
    """Raise `error` if frames are missing and the policy is `"raise"`.

    Args:
        missing (`Sequence[int]`): Numbers of the frames.
        frame_policy (`str`): One of `FRAME_POLICIES`.
        subject (`str`): What was not found: `"face"` or `"person"`.
        error (`type[ValueError]`): The error to raise.
    """
    if frame_policy == "raise" and missing:
        shown = ", ".join(map(str, missing[:SHOWN])) + (", ..." if len(missing) > SHOWN else "")
        raise error(f"The driver shows no {subject} in {len(missing)} frames: {shown}.")
