# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf", "anny>=0.6.2,<0.7", "warp-lang"]
# ///
"""Render random bodies of `anny` (CC0) in random poses and clothes, with exact key points: single pictures to train the body
landmarker, or several poses of each body in one place, paired to train the generator.

python scripts/render_bodies.py --output data/rendered_bodies --count 3000
python scripts/render_bodies.py --output data/rendered_pairs/train --count 300 --poses 4
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import warp as wp
from build_body_model import TO_SMPL, AnnyJoints, bone_of_vertices, straightening
from tqdm.auto import tqdm

from adaat_hf.control.body_joints import NUM_JOINTS, to_body18
from adaat_hf.control.body_model import world_rotations
from adaat_hf.control.rotation import rotation_matrix
from adaat_hf.processing.images import save_image
from adaat_hf.processing.person_crop import person_box, shift_inside
from adaat_hf.training.body_parts import ARM, BODY, NOTHING, encode_parts
from adaat_hf.training.body_scenes import LABELS, PARTS_SUFFIX
from adaat_hf.training.image_pairs import ImagePair, write_pairs, write_posed_crop


SIDE = 352
BATCH = 20
# Beginnings of the names of an arm's bones.
ARM_BONES = ("upperarm", "lowerarm", "wrist", "metacarpal", "finger")
# A face point further than this behind what is seen at its place is hidden by the head, in metres.
HIDDEN = 0.06
FACE_POINTS = (0, 14, 15, 16, 17)
# Height and width of the pictures of pairs, and how often both feet of a body leave the floor.
PAIR_SIZE = (256, 176)
JUMPS = 0.1
# Bones that each piece of clothing covers, and how often it is worn.
GARMENTS = (
    (("spine", "clavicle", "shoulder", "upperarm01", "breast"), 1.0),
    (("upperarm02", "lowerarm"), 0.45),
    (("root", "pelvis", "spine05", "upperleg"), 1.0),
    (("lowerleg",), 0.65),
    (("foot", "toe"), 0.85),
)


@wp.kernel
def look(
    mesh: wp.uint64,
    side: int,
    face: wp.array(dtype=int),
    weights: wp.array(dtype=wp.vec2),
    depth: wp.array(dtype=float),
):
    """For every pixel the triangle that is seen there, its barycentric weights and its distance."""
    pixel = wp.tid()
    start = wp.vec3(float(pixel % side), float(pixel // side), 1.0e4)
    hit = wp.mesh_query_ray(mesh, start, wp.vec3(0.0, 0.0, -1.0), 2.0e4)
    face[pixel] = -1
    if hit.result:
        face[pixel] = hit.face
        weights[pixel] = wp.vec2(hit.u, hit.v)
        depth[pixel] = start[2] - hit.t


def random_poses(facing: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rotations (B, 24, 3, 3) of SMPL's joints relative to their parents: people who stand, reach, lunge, bend, turned by
    `facing` (B,) degrees from the camera."""
    local = np.tile(np.eye(3), (len(facing), NUM_JOINTS, 1, 1))
    for body, away in zip(local, facing, strict=True):
        for joint in (3, 6, 9):
            body[joint] = turn(x=rng.normal(2, 7), y=rng.normal(0, 7), z=rng.normal(0, 6))
        if rng.random() < 0.2:
            body[3] = body[3] @ turn(x=rng.uniform(10, 60))
        body[12] = turn(x=rng.normal(0, 8), y=rng.normal(0, 14), z=rng.normal(0, 6))
        body[15] = turn(x=rng.normal(0, 8), y=rng.normal(0, 14), z=rng.normal(0, 6))
        alike = rng.random() < 0.4
        arm, leg = _random_arm(rng), _random_leg(rng)
        for side, numbers in ((1, (16, 18, 1, 4)), (-1, (17, 19, 2, 5))):
            up, forward, twist, bent = arm if alike else _random_arm(rng)
            body[numbers[0]] = turn(y=-side * forward) @ turn(z=side * up) @ turn(x=twist)
            body[numbers[1]] = turn(y=-side * bent)
            lift, spread, knee = leg if alike else _random_leg(rng)
            body[numbers[2]] = turn(x=-lift) @ turn(z=side * spread)
            body[numbers[3]] = turn(x=knee)
        body[0] = turn(x=rng.normal(0, 7), z=rng.normal(0, 7)) @ turn(y=away)
    return local


def random_facing(rng: np.random.Generator) -> float:
    """Mostly towards the camera, in degrees."""
    return rng.choice([rng.normal(0, 35), rng.uniform(-180, 180), rng.choice([-90, 90])], p=[0.6, 0.25, 0.15])


def _random_arm(rng: np.random.Generator) -> tuple[float, float, float, float]:
    """How far it is lifted (90: up), brought forward, twisted, and bent, in degrees."""
    if rng.random() < 0.3:
        return rng.normal(-72, 8), rng.normal(5, 12), rng.normal(0, 20), abs(rng.normal(10, 12))
    return rng.uniform(-85, 88), rng.uniform(-15, 110), rng.uniform(-90, 90), rng.choice([8, 60, 120]) * rng.random()


def _random_leg(rng: np.random.Generator) -> tuple[float, float, float]:
    """How far it is lifted forward, spread, and its knee bent, in degrees."""
    if rng.random() < 0.5:
        return rng.normal(0, 7), abs(rng.normal(3, 6)), abs(rng.normal(0, 7))
    lift = rng.uniform(-25, 100)
    return lift, rng.uniform(-5, 40), abs(lift) * rng.uniform(0, 1.3)


def turn(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> np.ndarray:
    """Rotation (3, 3) by angles in degrees about the axes, one after the other."""
    angles = torch.deg2rad(torch.diag(torch.tensor([x, y, z], dtype=torch.float64)))
    return np.linalg.multi_dot(list(rotation_matrix(angles).numpy()))


def dress(bones: np.ndarray, rest: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Colours (V, 3) of skin, hair and clothes, some of them patterned.

    Args:
        bones (`np.ndarray` of shape (V,)): Name of the bone that each vertex moves with most.
        rest (`np.ndarray` of shape (V, 3)): Vertices at rest, y up.
    """
    skin = np.array([235.0, 190, 165]) * rng.uniform(0.35, 1.05) * rng.uniform(0.94, 1.06, 3)
    colours = np.tile(skin, (len(rest), 1))
    head = np.array([name.startswith("head") for name in bones])
    top, front = rest[:, 1].max(), np.percentile(rest[head, 2], 60)
    colours[head & ((rest[:, 1] > top - 0.06) | ((rest[:, 2] < front) & (rest[:, 1] > top - 0.2)))] = rng.uniform(
        15, 130, 3
    )
    colour = rng.uniform(10, 250, 3)
    for starts, worn in GARMENTS:
        if rng.random() < 0.6:
            colour = rng.uniform(10, 250, 3)
        if rng.random() > worn:
            continue
        covered = np.array([name.startswith(starts) for name in bones])
        colours[covered] = colour
        if rng.random() < 0.35:
            direction = rng.normal(size=3)
            stripes = (rest @ (direction / np.linalg.norm(direction)) / rng.uniform(0.04, 0.12)) % 1 < 0.5
            colours[covered & stripes] = rng.uniform(10, 250, 3)
    return colours


def surroundings(rng: np.random.Generator) -> np.ndarray:
    """A wall with a floor and some things before it, (SIDE, SIDE, 3)."""
    cells = int(rng.choice([1, 2, 4, 8]))
    picture = cv2.resize(rng.uniform(0, 255, (cells, cells, 3)).astype(np.float32), (SIDE, SIDE))
    if rng.random() < 0.5:
        picture[int(SIDE * rng.uniform(0.6, 0.95)) :] = rng.uniform(0, 255, 3)
    for _ in range(int(rng.choice([0, 0, 2, 6, 12]))):
        corner, extent = rng.uniform(0, SIDE, 2).astype(int), rng.uniform(8, SIDE / 2, 2).astype(int)
        colour = rng.uniform(0, 255, 3).tolist()
        if rng.random() < 0.5:
            cv2.rectangle(picture, corner.tolist(), (corner + extent).tolist(), colour, -1)
        else:
            cv2.line(
                picture,
                corner.tolist(),
                rng.uniform(0, SIDE, 2).astype(int).tolist(),
                colour,
                int(rng.integers(2, 30)),
            )
    return cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 6))


@dataclass(frozen=True)
class Shot:
    """
    What all pictures of a body share.

    Args:
        middle (`np.ndarray` of shape (3,)), distance (`float`): What the camera looks at, and from how far, in metres.
        zoom (`float`): Pixels per metre.
        light (`np.ndarray` of shape (3,)), ambient (`float`): Direction of the light, and the share of it that is everywhere.
        back (`np.ndarray` of shape (SIDE, SIDE, 3)): Surroundings.
    """

    middle: np.ndarray
    distance: float
    zoom: float
    light: np.ndarray
    ambient: float
    back: np.ndarray

    @classmethod
    def random(cls, vertices: np.ndarray, rng: np.random.Generator) -> "Shot":
        """A shot that holds all `vertices` (..., 3)."""
        places = vertices.reshape(-1, 3)
        distance = rng.uniform(2.5, 8)
        zoom = SIDE * rng.uniform(0.7, 0.92) / np.ptp(places[:, :2], axis=0).max()
        light = np.array([rng.normal(0, 0.7), rng.uniform(0, 1), 1.0])
        ambient = rng.uniform(0.3, 0.7)
        return cls((places.min(0) + places.max(0)) / 2, distance, zoom, light, ambient, surroundings(rng))

    def project(self, places: np.ndarray) -> np.ndarray:
        """Pixels and depth, in the same unit, (N, 3) of places (N, 3)."""
        moved = places - self.middle
        near = self.zoom * self.distance / (self.distance - moved[:, 2])
        return np.c_[SIDE / 2 + near * moved[:, 0], SIDE / 2 - near * moved[:, 1], self.zoom * moved[:, 2]]


def render(
    vertices: np.ndarray, faces: np.ndarray, colours: np.ndarray, points: np.ndarray, shot: Shot, arms: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A picture (SIDE, SIDE, 3) of a body, its 18 key points with their visibility (18, 3), and labels of its parts (SIDE, SIDE).

    Args:
        vertices (`np.ndarray` of shape (V, 3)): Posed, in metres, y up, z towards the camera.
        points (`np.ndarray` of shape (18, 3)): Key points there.
        arms (`np.ndarray` of shape (V,)): Which vertices are arms'.
    """
    screen = shot.project(vertices)
    mesh = wp.Mesh(wp.array(screen, dtype=wp.vec3), wp.array(faces.astype(np.int32).ravel(), dtype=int))
    seen, weights, depth = (wp.zeros(SIDE * SIDE, dtype=kind) for kind in (int, wp.vec2, float))
    wp.launch(look, SIDE * SIDE, [mesh.id, SIDE, seen, weights, depth])
    index, pair = seen.numpy(), weights.numpy()
    bary = np.c_[pair, 1 - pair.sum(1)]
    corners = faces[index]
    facing = ((_normals(vertices, faces)[corners] * bary[..., None]).sum(1) @ _unit(shot.light)).clip(0)
    shade = shot.ambient + (1.1 - shot.ambient) * facing
    body = (colours[corners] * bary[..., None]).sum(1) * shade[:, None]
    picture = np.where(index[:, None] >= 0, body, shot.back.reshape(-1, 3)).reshape(SIDE, SIDE, 3).clip(0, 255)
    picture = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 0.5).astype(np.uint8)
    placed = shot.project(points)
    column, row = placed[:, :2].round().astype(int).clip(0, SIDE - 1).T
    before = depth.numpy().reshape(SIDE, SIDE)[row, column] - placed[:, 2]
    visible = np.ones(len(points))
    face = list(FACE_POINTS)
    visible[face] = before[face] < HIDDEN * shot.zoom
    on_arm = (arms[corners] * bary).sum(1) > 0.5
    parts = np.where(index < 0, NOTHING, np.where(on_arm, ARM, BODY)).astype(np.uint8).reshape(SIDE, SIDE)
    return picture, np.c_[placed[:, :2], visible], parts


def _normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Directions (V, 3) in which a surface looks."""
    flat = np.cross(vertices[faces[:, 1]] - vertices[faces[:, 0]], vertices[faces[:, 2]] - vertices[faces[:, 0]])
    smooth = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(smooth, faces[:, corner], flat)
    return _unit(smooth)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-12)


@dataclass(frozen=True)
class Bodies:
    """
    A batch of bodies in the same number of poses.

    Args:
        vertices (`np.ndarray` of shape (B, P, V, 3)), points (`np.ndarray` of shape (B, P, 18, 3)): In metres.
        rest (`np.ndarray` of shape (B, V, 3)): Vertices at rest.
    """

    vertices: np.ndarray
    points: np.ndarray
    rest: np.ndarray


class BodyMaker:
    """Makes [`Bodies`] of anny."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.bodies, self.rng = AnnyJoints(), rng
        samples = [self.bodies.rest(self.bodies.sample(100, rng)) for _ in range(5)]
        self.turns = straightening(np.concatenate(samples).mean(0))
        self.faces = self.bodies.model.faces.numpy()
        self.bones = bone_of_vertices(self.bodies.model)
        self.arms = np.array([name.startswith(ARM_BONES) for name in self.bones])

    def batches(self, count: int, poses: int) -> Iterator[Bodies]:
        """At least `count` bodies, batch by batch; the poses of one of them are turned about alike from the camera."""
        for _ in tqdm(range(0, count, BATCH), desc="rendering on cpu", unit="batch"):
            builds = self.bodies.sample(BATCH, self.rng)
            first = np.array([random_facing(self.rng) for _ in range(BATCH)])
            found, points = [], []
            for number in range(poses):
                facing = first if number == 0 else first + self.rng.normal(0, 15, BATCH)
                posed = self.pose(builds, random_poses(facing, self.rng))
                found.append(posed[0])
                points.append(posed[1])
            yield Bodies(np.stack(found, 1), np.stack(points, 1), self.rest(builds))

    def pose(self, builds: dict[str, torch.Tensor], local: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Vertices (B, V, 3) and key points (B, 18, 3) of bodies in joint rotations (B, 24, 3, 3) relative to the parents."""
        posed = self.bodies.meshes(builds, world_rotations(torch.from_numpy(local)).numpy() @ self.turns)
        points = to_body18(torch.from_numpy(self.bodies.points(posed))).numpy()
        return posed["vertices"].numpy() @ TO_SMPL.T, points

    def rest(self, builds: dict[str, torch.Tensor]) -> np.ndarray:
        """Vertices (B, V, 3) at rest."""
        return self.bodies.model(phenotype_kwargs=builds)["rest_vertices"].numpy() @ TO_SMPL.T


def write_single(maker: BodyMaker, output: Path, count: int) -> None:
    """Pictures of one body each, their labels, and those of the pictures' pixels."""
    output.mkdir(parents=True, exist_ok=True)
    labels: dict[str, list] = {}
    for bodies in maker.batches(count, 1):
        for rest, vertices, points in zip(bodies.rest, bodies.vertices[:, 0], bodies.points[:, 0], strict=True):
            colours = dress(maker.bones, rest, maker.rng)
            shot = Shot.random(vertices, maker.rng)
            picture, body, parts = render(vertices, maker.faces, colours, points, shot, maker.arms)
            name = f"{len(labels):05d}.jpg"
            save_image(picture, output / name)
            (output / name).with_suffix(PARTS_SUFFIX).write_bytes(encode_parts(parts))
            labels[name] = [body.round(2).tolist()]
    (output / LABELS).write_text(json.dumps(labels))


def write_poses(maker: BodyMaker, output: Path, count: int, poses: int) -> None:
    """Bodies in several poses on the same floor, each pose paired with the next, as scripts/prepare_people.py writes photographs."""
    pairs: list[ImagePair] = []
    for bodies in maker.batches(count, poses):
        for number, rest in enumerate(bodies.rest):
            moved = _on_the_floor(bodies.vertices[number], maker.rng)
            vertices, points = (places[number] + moved for places in (bodies.vertices, bodies.points))
            colours, shot = dress(maker.bones, rest, maker.rng), Shot.random(vertices, maker.rng)
            posed = zip(vertices, points, strict=True)
            shown = [render(body, maker.faces, colours, places, shot, maker.arms)[:2] for body, places in posed]
            subject = f"body_{len(pairs) // poses:05d}"
            box = person_box(*_split(np.stack([labels for _, labels in shown])), PAIR_SIZE[1] / PAIR_SIZE[0])
            box = shift_inside(box, SIDE, SIDE)
            images = [
                write_posed_crop(picture, box, *_split(labels), output / f"{subject}__{pose}.jpg", PAIR_SIZE)
                for pose, (picture, labels) in enumerate(shown)
            ]
            pairs += [ImagePair(images[pose - 1], images[pose], subject) for pose in range(poses)]
    write_pairs(output, pairs)


def _split(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return labels[..., :2], labels[..., 2]


def _on_the_floor(vertices: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shifts (P, 1, 3) that put poses (P, V, 3) side by side on one floor, but for jumps."""
    height = rng.uniform(0, 0.3, len(vertices)) * (rng.random(len(vertices)) < JUMPS)
    aside = rng.normal(0, 0.12, len(vertices))
    return np.stack([aside, height - vertices[..., 1].min(1), np.zeros_like(aside)], -1)[:, None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder for pictures and labels")
    parser.add_argument("--count", type=int, default=3000, help="bodies (3000)")
    parser.add_argument("--poses", type=int, default=1, help="poses of each body; more than one: pairs (1)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    maker = BodyMaker(np.random.default_rng(args.seed))
    if args.poses > 1:
        write_poses(maker, args.output, args.count, args.poses)
    else:
        write_single(maker, args.output, args.count)


if __name__ == "__main__":
    main()
