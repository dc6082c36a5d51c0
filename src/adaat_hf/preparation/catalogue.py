"""The data sets that can be prepared: sizes, published splits, and on what terms their pictures of people may be used."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .settings import Kind


@dataclass(frozen=True)
class DatasetFacts:
    """What a manifest, and the card of a model trained on it, say of a data set.

    Args:
        title (`str`): Its name and paper.
        address (`str`): Where its lists are.
        kind (`str`): What is in it.
        size (`tuple[int, int]`): Height and width that the paper trains on.
        licence (`str`): Terms of lists and pictures.
        consent (`str`): What is known of the consent of the people in it.
        published (`Mapping[str, int]`): Clips (of DeepFashion, pairs) of each split in the paper; what is not known is not there.
        unit (`str`): What those numbers count.
    """

    title: str
    address: str
    kind: Kind
    size: tuple[int, int]
    licence: str
    consent: str
    published: Mapping[str, int] = field(default_factory=dict)
    unit: str = "clips"


CATALOGUE: dict[str, DatasetFacts] = {
    "voxceleb": DatasetFacts(
        "VoxCeleb (Nagrani et al., 2017), cut as for FOMM (Siarohin et al., 2019)",
        "https://github.com/AliaksandrSiarohin/video-preprocessing",
        "face",
        (256, 256),
        "VoxCeleb's own lists: CC BY 4.0. The videos stay their owners' and are under YouTube's terms; no licence to"
        " redistribute frames of them is known.",
        "Public figures in interviews, collected without asking them.",
        {"train": 22_496, "test": 525},
    ),
    "hdtf": DatasetFacts(
        "HDTF (Zhang et al., 2021)",
        "https://github.com/MRzzm/HDTF",
        "face",
        (512, 512),
        "Lists: CC BY 4.0. The videos stay their owners' and are under YouTube's terms; no licence to redistribute frames of"
        " them is known.",
        "Politicians and presenters speaking in public, collected without asking them.",
    ),
    "iper": DatasetFacts(
        "iPER (Liu et al., 2019)",
        "https://github.com/svip-lab/impersonator",
        "person",
        (256, 256),
        "We know of no licence text: taken as for research only. The SMPL coefficients are under SMPL's own licence.",
        "30 actors, filmed for the data set.",
        {"train": 185, "test": 21},
    ),
    "deepfashion": DatasetFacts(
        "DeepFashion, In-shop Clothes Retrieval (Liu et al., 2016), pairs of Zhu et al., 2019",
        "https://mmlab.ie.cuhk.edu.hk/projects/DeepFashion.html",
        "person",
        (256, 176),
        "Non-commercial research only, under the agreement that comes with the password; pictures must not be redistributed.",
        "Models in pictures of shops, collected without asking them.",
        {"train": 101_966, "test": 8_570},
        "pairs",
    ),
    "clips": DatasetFacts(
        "Clips of one's own",
        "",
        "face",
        (256, 256),
        "As the index of the clips says.",
        "Whoever prepares clips answers for the consent of the people in them.",
    ),
}
