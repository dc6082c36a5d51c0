"""Follow one person through the frames of a clip."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .body_keypoints import BODY18, BodyDetector, BodyKeypoints
from .tracking import Track, follow


# A person who is further away than this from where the followed one was last, in units of its size, is somebody else.
LARGEST_STEP = 0.6


@dataclass(frozen=True)
class BodyTrack(Track):
    """The 18 key points of one person in every frame of a clip.

    Args:
        size (`tuple[int, int]`, *optional*): Height and width of the frames, where known.
    """

    size: tuple[int, int] | None = None


class BodyTracker:
    """Pick the same person in successive frames: the one nearest to where the person was last.

    Args:
        person (`int`, *optional*, defaults to 0): Whom to follow, counted from the largest in the first frame that shows
            that many.
    """

    def __init__(self, person: int = 0) -> None:
        self.person = person
        self.last: BodyKeypoints | None = None
        self._missed = 0

    def choose(self, bodies: list[BodyKeypoints]) -> BodyKeypoints | None:
        """The followed person among those of the next frame, or `None`."""
        if self.last is None:
            self.last = bodies[self.person] if self.person < len(bodies) else None
            return self.last
        nearest = min(bodies, key=self._distance, default=None)
        # Somebody who was lost for a while may have gone on.
        if nearest is None or self._distance(nearest) > LARGEST_STEP * (1 + self._missed):
            self._missed += 1
            return None
        self.last, self._missed = nearest, 0
        return nearest

    def _distance(self, body: BodyKeypoints) -> float:
        """Distance of the boxes' corners in units of the larger one's size."""
        assert self.last is not None
        here, there = np.reshape(body.box, (2, 2)), np.reshape(self.last.box, (2, 2))
        return float(np.linalg.norm(here - there, axis=1).mean()) / max(body.size, self.last.size, 1e-6)


def track_body(
    frames: Iterable[np.ndarray], detector: BodyDetector, person: int = 0, batch_size: int = 8
) -> BodyTrack:
    """Detect and follow one person; frames (H, W, 3) are taken in batches, so a long clip needs little memory."""
    tracker = BodyTracker(person)
    track, size = follow(frames, detector, tracker, lambda body: body.as_body18(), BODY18.count, batch_size)
    return BodyTrack(track.points, track.visibility, size)
