# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf", "anny>=0.6.2,<0.7"]
# ///
"""Make the default body model (SMPL's 24 joints and five face points) from `anny`'s CC0 body.

Rest joints of random bodies of all ages and builds are brought into SMPL's rest pose (arms stretched out sideways), and a PCA
of them gives the shape components. `--check` then compares the joints with anny's own for random shapes and poses.

    python scripts/build_body_model.py --output src/adaat_hf/bundled/person/body_model --check 200
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from anny import Anny
from anny.keypoints import KeypointsRegressor
from torch import Tensor
from tqdm.auto import tqdm

from adaat_hf.control.body_joints import BONE_STARTS, FACE_NAMES, MIRROR_POINTS, NUM_JOINTS, PARENTS
from adaat_hf.control.body_model import AdaATBodyModel, AdaATBodyModelConfig, load_body_model, world_rotations
from adaat_hf.control.rotation import rotation_matrix


# The bone of anny whose head is each joint of SMPL.
BONES = (
    "root", "upperleg01.L", "upperleg01.R", "spine04", "lowerleg01.L", "lowerleg01.R", "spine02", "foot.L", "foot.R",
    "spine01", "toe2-1.L", "toe2-1.R", "neck01", "clavicle.L", "clavicle.R", "head", "upperarm01.L", "upperarm01.R",
    "lowerarm01.L", "lowerarm01.R", "wrist.L", "wrist.R", "finger3-1.L", "finger3-1.R",
)  # fmt: skip
TO_SMPL = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # anny: z up, facing -y; SMPL: y up, facing z
# Joints whose bones are turned into SMPL's rest pose: shoulders, elbows, wrists; and the direction they get.
ARMS = {16: (18, 1.0), 18: (20, 1.0), 20: (22, 1.0), 17: (19, -1.0), 19: (21, -1.0), 21: (23, -1.0)}
YOUNGEST = 0.2
# Of all heights that anny offers, from 1.3 to 2.3 m for adults, those whose thighs are 0.9 to 1.1 times as long as their shins, as
# people's are. Beyond, its knees leave the legs' visible knees: 0.6 to 1.2 times.
HEIGHTS = 0.4, 0.75


class AnnyJoints:
    """Joints and face points of anny's bodies, in SMPL's axes."""

    def __init__(self) -> None:
        self.model = Anny()
        self.face = KeypointsRegressor.coco(self.model, labels=list(FACE_NAMES))
        self.bones = [self.model.bone_labels.index(name) for name in BONES]

    def sample(self, count: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Random builds."""
        builds = {name: torch.from_numpy(rng.uniform(0, 1, count)) for name in self.model.phenotype_labels}
        builds["age"] = torch.from_numpy(rng.uniform(YOUNGEST, 1, count))
        builds["height"] = torch.from_numpy(rng.uniform(*HEIGHTS, count))
        return builds

    def rest(self, builds: dict[str, Tensor]) -> np.ndarray:
        """Points (B, 29, 3) at rest, in anny's own rest pose."""
        found = self.model(phenotype_kwargs=builds)
        joints = found["rest_bone_heads"][:, self.bones]
        face = self.face({"vertices": found["rest_vertices"]})
        return torch.cat([joints, face], 1).numpy() @ TO_SMPL.T

    def posed(self, builds: dict[str, Tensor], turned: np.ndarray) -> np.ndarray:
        """Points (B, 29, 3) of posed bodies, the pelvis in the origin; arguments as of `meshes`."""
        points = self.points(self.meshes(builds, turned))
        return points - points[:, :1]

    def points(self, found: dict[str, Tensor]) -> np.ndarray:
        """Joints and face points (B, 29, 3) of what `meshes` returned."""
        joints = found["bone_poses"][:, self.bones, :3, 3]
        return torch.cat([joints, self.face(found)], 1).numpy() @ TO_SMPL.T

    def meshes(self, builds: dict[str, Tensor], turned: np.ndarray) -> dict[str, Tensor]:
        """Posed bodies as anny returns them, in its axes; their `vertices` (B, V, 3) among the rest.

        Args:
            builds (`dict[str, Tensor]`): Of B bodies.
            turned (`np.ndarray` of shape (B, 24, 3, 3)): Rotation of every joint's bone since anny's rest pose.
        """
        rest = self.model(phenotype_kwargs=builds)["rest_bone_poses"]
        world = TO_SMPL.T @ turned @ TO_SMPL
        delta = rest.clone()
        owner = self._owners()
        delta[..., :3, :3] = torch.from_numpy(world[:, owner]).to(rest.dtype) @ rest[..., :3, :3]
        return self.model(pose_parameters=delta, phenotype_kwargs=builds, pose_parameterization="world-orient")

    def _owners(self) -> list[int]:
        """For every bone of anny the joint that it turns with."""
        parents = [int(parent) for parent in self.model.bone_parents]
        owners: list[int] = []
        for bone, parent in enumerate(parents):
            owners.append(self.bones.index(bone) if bone in self.bones else (owners[parent] if parent >= 0 else 0))
        return owners


def bone_of_vertices(model: Anny) -> np.ndarray:
    """Name of the bone that each vertex (V,) moves with most."""
    heaviest = np.asarray(model.vertex_bone_weights).argmax(1)
    return np.array(model.bone_labels)[np.asarray(model.vertex_bone_indices)[np.arange(len(heaviest)), heaviest]]


def straightening(mean: np.ndarray) -> np.ndarray:
    """Rotations (24, 3, 3) that bring the average body's arms (29, 3) into SMPL's rest pose."""
    result = np.tile(np.eye(3), (NUM_JOINTS, 1, 1))
    for joint, (end, side) in ARMS.items():
        bone = mean[end] - mean[joint]
        result[joint] = shortest_turn(bone / np.linalg.norm(bone), np.array([side, 0.0, 0.0]))
    for hand in (22, 23):
        result[hand] = result[PARENTS[hand]]
    return result


def shortest_turn(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Rotation (3, 3) of one unit vector onto another."""
    axis, cosine = np.cross(start, end), float(start @ end)
    skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + skew + skew @ skew / (1 + cosine)


def straightened(rest: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Points (B, 29, 3) with every bone turned by its start's rotation, the pelvis in the origin."""
    result = np.zeros_like(rest)
    for point in range(1, rest.shape[1]):
        start = BONE_STARTS[point]
        result[:, point] = result[:, start] + (rest[:, point] - rest[:, start]) @ turns[start].T
    return result


def build(bodies: AnnyJoints, components: int, samples: int, rng: np.random.Generator) -> AdaATBodyModel:
    """The body model."""
    batches = range(max(1, samples // 100))
    rest = np.concatenate([bodies.rest(bodies.sample(100, rng)) for _ in tqdm(batches, desc="random bodies")])
    turns = straightening(rest.mean(0))
    points = straightened(rest, turns)
    flat = np.concatenate([points, points[:, list(MIRROR_POINTS)] * [-1, 1, 1]]).reshape(2 * len(points), -1)
    mean = flat.mean(0)
    _, singular, modes = np.linalg.svd(flat - mean, full_matrices=False)
    deviations = singular[:components] / np.sqrt(len(flat) - 1)
    model = AdaATBodyModel(AdaATBodyModelConfig(num_shape=components))
    model.set_basis(mean.reshape(-1, 3), (modes[:components] * deviations[:, None]).reshape(components, -1, 3))
    return model


def check(model: AdaATBodyModel, bodies: AnnyJoints, count: int, rng: np.random.Generator) -> dict[str, float]:
    """Compare with anny on random shapes and poses that `build` has not seen: errors in millimetres."""
    builds = bodies.sample(count, rng)
    rest = bodies.rest(builds)
    turns = straightening(np.concatenate([bodies.rest(bodies.sample(100, rng)) for _ in range(10)]).mean(0))
    points = straightened(rest, turns)
    basis = model.shape_basis.reshape(len(model.shape_basis), -1).double()
    offset = torch.from_numpy(points).reshape(count, -1) - model.mean.reshape(1, -1)
    shape = torch.linalg.lstsq(basis.T, offset.T).solution.T.float()
    pose = torch.from_numpy(rng.normal(0, 0.5, (count, NUM_JOINTS, 3))).float()
    ours = model(shape, pose).numpy()
    truth = bodies.posed(builds, world_rotations(rotation_matrix(pose).double()).numpy() @ turns)
    posed = np.linalg.norm(ours - truth, axis=-1) * 1000
    still = np.linalg.norm(model.rest(shape).numpy() - points, axis=-1) * 1000
    lengths = [np.linalg.norm(p[:, 1:] - p[:, BONE_STARTS[1:]], axis=-1) for p in (model.rest(shape).numpy(), points)]
    return {
        "joints of posed bodies": posed.mean(),
        "worst joint": posed.max(),
        "joints at rest": still.mean(),
        "bone lengths": np.abs(lengths[0] - lengths[1]).mean() * 1000,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="folder to write the model to")
    parser.add_argument("--components", type=int, default=16, help="shape components kept (16)")
    parser.add_argument("--samples", type=int, default=4000, help="random bodies for the PCA (4000)")
    parser.add_argument("--check", type=int, default=0, metavar="N", help="compare with anny on N random bodies")
    parser.add_argument("--model", default="bundled/person", help="what to check if nothing is written")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    bodies = AnnyJoints()
    if args.output:
        model = build(bodies, args.components, args.samples, np.random.default_rng(args.seed))
        model.save_pretrained(args.output)
    else:
        model = load_body_model(args.model)
    if args.check:
        errors = check(model, bodies, args.check, np.random.default_rng(args.seed + 1))
        print("  ".join(f"{name} {value:.2f} mm" for name, value in errors.items()))


if __name__ == "__main__":
    main()
