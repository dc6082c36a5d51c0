"""Named protocols: which measures, in which definition, so that numbers of different people can be compared."""

from dataclasses import dataclass, field
from typing import Literal

from .measures import DEFINITIONS, MEASURES
from .similarity import SsimSettings


Task = Literal["pictures", "reconstruction", "cross-identity"]


@dataclass(frozen=True)
class Protocol:
    """A way of measuring, with all its settings.

    Args:
        name (`str`): What it is called on the command line.
        about (`str`): Where the definition comes from.
        task (`str`): `"pictures"` (one painted picture against one target), `"reconstruction"` (a clip from its first frame,
            against the film) or `"cross-identity"` (somebody's photograph and somebody else's motion: no true picture).
        measures (`tuple[str, ...]`): Names of `MEASURES`, in the order of the table.
        ssim (`dict[str, SsimSettings]`): The definition of each measure of structural similarity.
        lpips (`str`): Backbone of LPIPS: `"alex"` or `"vgg"`; version 0.1, without any padding.
        worst (`str`): Measure by which the worst cases are chosen.
    """

    name: str
    about: str
    task: Task
    measures: tuple[str, ...]
    ssim: dict[str, SsimSettings] = field(default_factory=dict)
    lpips: Literal["alex", "vgg"] = "alex"
    worst: str = "lpips"

    def describe(self) -> dict[str, str]:
        """Every setting, for reports."""
        lines = {"protocol": f"{self.name} ({self.about})"}
        lines |= {MEASURES[name].title: settings.describe() for name, settings in self.ssim.items()}
        lines |= {
            MEASURES[name].title: text.format(lpips={"alex": "AlexNet", "vgg": "VGG16"}[self.lpips])
            for name, text in DEFINITIONS.items()
            if name in self.measures
        }
        lines["pictures"] = "8 bits per channel, RGB, as files hold them; nothing is resized"
        lines["averages"] = "over frames; intervals: 95%, 1000 bootstrap resamples of whole clips, seed 0"
        return lines


_FACES = ("ssim", "psnr", "l1", "lpips", "fid")
_STEADINESS = ("sync_offset", "jitter", "flicker", "lost")

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "adaat-paper",
            "the released metrics of AdaAT, ACM MM 2022",
            "pictures",
            ("ssim", "lpips", "psnr", "l1", "fid", "keypoint_distance", "lost"),
            {"ssim": SsimSettings(white_to_square=True)},
        ),
        Protocol(
            "patn",
            "Pose-Transfer (PATN), CVPR 2019, with the LPIPS of later papers",
            "pictures",
            ("ssim", "l1", "lpips", "fid"),
            {"ssim": SsimSettings(borders="inside", data_range="painted", white_to_square=True)},
        ),
        Protocol(
            "gfla",
            "Global-Flow-Local-Attention (GFLA), CVPR 2020",
            "pictures",
            ("ssim", "ssim_256", "psnr", "l1", "mae", "lpips", "fid"),
            {
                "ssim": SsimSettings(window=51, sigma=None, borders="inside"),
                "ssim_256": SsimSettings(borders="inside", data_range="painted"),
            },
        ),
        Protocol(
            "voxceleb-reconstruction",
            "a clip painted from its first frame, as papers do on VoxCeleb; SSIM as adaat-paper",
            "reconstruction",
            (*_FACES, "keypoint_distance", "expression_error", "pose_error", "mouth_distance", *_STEADINESS),
            {"ssim": SsimSettings(white_to_square=True)},
        ),
        Protocol(
            "cross-identity",
            "somebody's photograph with somebody else's motion, which has no true picture",
            "cross-identity",
            ("identity", "shape_error", "fid", "expression_error", "pose_error", "mouth_shape_distance", *_STEADINESS),
            worst="expression_error",
        ),
        Protocol(
            "talking",
            "a talking clip painted from its first frame and its sound, against the film",
            "reconstruction",
            ("ssim", "lpips", "mouth_distance", "sync_offset", "sync_correlation", "fid", "jitter", "flicker", "lost"),
            {"ssim": SsimSettings(white_to_square=True)},
        ),
    )
}


def find_protocol(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        ValueError: if there is none.
    """
    if name not in PROTOCOLS:
        raise ValueError(f"There is no protocol {name!r}, expected one of {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]


__all__ = ["PROTOCOLS", "Protocol", "find_protocol"]
