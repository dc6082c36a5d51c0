# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf", "anny>=0.6.2,<0.7", "warp-lang"]
# ///
"""Render random bodies of `anny` (CC0) in random poses and clothes, with exact key points, to train the body landmarker.

python scripts/render_bodies.py --output data/rendered_bodies --count 3000
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import torch
import warp as wp
from build_body_model import TO_SMPL, AnnyJoints, bone_of_vertices, straightening, world_rotations
from tqdm.auto import tqdm

from adaat_hf.control.body_joints import NUM_JOINTS, to_body18
from adaat_hf.control.rotation import rotation_matrix
from adaat_hf.processing.images import save_image
from adaat_hf.training.body_scenes import LABELS


SIDE = 352
BATCH = 20
# A face point further than this behind what is seen at its place is hidden by the head, in metres.
HIDDEN = 0.06
FACE_POINTS = (0, 14, 15, 16, 17)
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


def random_poses(count: int, rng: np.random.Generator) -> np.ndarray:
    """Rotations (count, 24, 3, 3) of SMPL's joints relative to their parents: people who stand, reach, lunge, bend, turn."""
    local = np.tile(np.eye(3), (count, NUM_JOINTS, 1, 1))
    for body in local:
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
        facing = rng.choice([rng.normal(0, 35), rng.uniform(-180, 180), rng.choice([-90, 90])], p=[0.6, 0.25, 0.15])
        body[0] = turn(x=rng.normal(0, 7), z=rng.normal(0, 7)) @ turn(y=facing)
    return local


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


def render(
    vertices: np.ndarray, faces: np.ndarray, colours: np.ndarray, points: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A picture (SIDE, SIDE, 3) of a body, and its 18 key points with their visibility (18, 3).

    Args:
        vertices (`np.ndarray` of shape (V, 3)): Posed, in metres, y up, z towards the camera.
        points (`np.ndarray` of shape (18, 3)): Key points there.
    """
    distance = rng.uniform(2.5, 8)
    middle = (vertices.min(0) + vertices.max(0)) / 2
    zoom = SIDE * rng.uniform(0.7, 0.92) / np.ptp(vertices[:, :2], axis=0).max()

    def project(places: np.ndarray) -> np.ndarray:
        moved = places - middle
        near = distance / (distance - moved[:, 2:])
        return np.c_[
            SIDE / 2 + zoom * near[:, 0] * moved[:, 0], SIDE / 2 - zoom * near[:, 0] * moved[:, 1], zoom * moved[:, 2]
        ]

    screen = project(vertices)
    mesh = wp.Mesh(wp.array(screen, dtype=wp.vec3), wp.array(faces.astype(np.int32).ravel(), dtype=int))
    seen, weights, depth = (wp.zeros(SIDE * SIDE, dtype=kind) for kind in (int, wp.vec2, float))
    wp.launch(look, SIDE * SIDE, [mesh.id, SIDE, seen, weights, depth])
    index, pair = seen.numpy(), weights.numpy()
    bary = np.c_[pair, 1 - pair.sum(1)]
    corners = faces[index]
    normals = np.cross(vertices[faces[:, 1]] - vertices[faces[:, 0]], vertices[faces[:, 2]] - vertices[faces[:, 0]])
    smooth = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(smooth, faces[:, corner], normals)
    smooth /= np.linalg.norm(smooth, axis=1, keepdims=True) + 1e-12
    light = np.array([rng.normal(0, 0.7), rng.uniform(0, 1), 1.0])
    facing = ((smooth[corners] * bary[..., None]).sum(1) @ (light / np.linalg.norm(light))).clip(0)
    ambient = rng.uniform(0.3, 0.7)
    body = (colours[corners] * bary[..., None]).sum(1) * (ambient + (1.1 - ambient) * facing)[:, None]
    back = surroundings(rng)
    picture = np.where(index[:, None] >= 0, body, back.reshape(-1, 3)).reshape(SIDE, SIDE, 3).clip(0, 255)
    picture = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 0.5).astype(np.uint8)
    placed = project(points)
    column, row = placed[:, :2].round().astype(int).clip(0, SIDE - 1).T
    before = depth.numpy().reshape(SIDE, SIDE)[row, column] - placed[:, 2]
    visible = np.ones(len(points))
    face = list(FACE_POINTS)
    visible[face] = before[face] < HIDDEN * zoom
    return picture, np.c_[placed[:, :2], visible]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder for pictures and labels")
    parser.add_argument("--count", type=int, default=3000, help="pictures (3000)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(args.seed)
    bodies = AnnyJoints()
    model, faces = bodies.model, bodies.model.faces.numpy()
    turns = straightening(np.concatenate([bodies.rest(bodies.sample(100, rng)) for _ in range(5)]).mean(0))
    names = bone_of_vertices(model)
    labels: dict[str, list] = {}
    for start in tqdm(range(0, args.count, BATCH), desc="rendering on cpu", unit="batch"):
        builds = bodies.sample(BATCH, rng)
        found = bodies.meshes(builds, world_rotations(random_poses(BATCH, rng)) @ turns)
        points = to_body18(torch.from_numpy(bodies.points(found))).numpy()
        rest = found["rest_vertices"].numpy() @ TO_SMPL.T
        for number, vertices in enumerate(found["vertices"].numpy() @ TO_SMPL.T):
            picture, body = render(vertices, faces, dress(names, rest[number], rng), points[number], rng)
            name = f"{start + number:05d}.jpg"
            save_image(picture, args.output / name)
            labels[name] = [body.round(2).tolist()]
    (args.output / LABELS).write_text(json.dumps(labels))


if __name__ == "__main__":
    main()
