# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf", "anny>=0.6.2,<0.7", "mediapipe>=1.2", "trimesh", "rtree", "networkx", "scipy"]
# ///
"""Render `anny`'s CC0 body as a clothed figure: the example person in the package, who is nobody.

python scripts/make_example_person.py src/adaat_hf/bundled/figure.jpg
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import trimesh
from anny import Anny
from build_body_model import bone_of_vertices
from build_face_model import default_head, draw_triangle, mesh_parts, vertex_colours

from adaat_hf.processing.images import save_image


HEIGHT, WIDTH = 720, 560
# Drawn larger, then reduced: smooth edges.
ENLARGED = 2
METRES_IN_VIEW = 2.15
LIGHT = np.array([-0.35, -0.55, -0.75])
HAIR, SHIRT, TROUSERS, SHOES = (70, 45, 35), (60, 110, 165), (70, 66, 60), (45, 40, 42)
# Clothes by the bone that a vertex moves with most.
CLOTHES = {
    ("spine", "clavicle", "shoulder", "upperarm01", "breast", "neck01"): SHIRT,
    ("root", "pelvis", "upperleg", "lowerleg", "spine05"): TROUSERS,
    ("foot", "toe"): SHOES,
}


def dress(model: Anny, vertices: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Colours (V, 3) of skin, eyes and lips, hair, and clothes."""
    colours = vertex_colours(model, vertices, parts)
    names = bone_of_vertices(model)
    skin = parts == 0
    for starts, colour in CLOTHES.items():
        colours[skin & np.array([name.startswith(starts) for name in names])] = colour
    top = vertices[:, 1].min()
    head = vertices[:, 1] < top + 0.24
    behind = vertices[:, 2] > np.median(vertices[head, 2])
    hair = (vertices[:, 1] < top + 0.055) | (behind & (vertices[:, 1] < top + 0.17))
    colours[skin & head & hair] = HAIR
    return colours


def render(vertices: np.ndarray, faces: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """The figure before a plain wall, (HEIGHT, WIDTH, 3), uint8."""
    tall, wide = ENLARGED * HEIGHT, ENLARGED * WIDTH
    scale = tall / METRES_IN_VIEW
    middle = (vertices.min(0) + vertices.max(0)) / 2
    screen = (vertices - middle) * scale + [wide / 2, tall / 2, 0]
    depth, index = np.full((tall, wide), np.inf), np.full((tall, wide), -1)
    weights = np.zeros((tall, wide, 3))
    for number, (a, b, c) in enumerate(screen[faces]):
        draw_triangle(number, a, b, c, depth, index, weights)
    normals = trimesh.Trimesh(vertices, faces, process=False).vertex_normals
    shade = 0.45 + 0.6 * np.abs((normals[faces[index]] * weights[..., None]).sum(2) @ (LIGHT / np.linalg.norm(LIGHT)))
    colour = (colours[faces[index]] * weights[..., None]).sum(2)
    picture = np.where(index[..., None] >= 0, shade[..., None] * colour, wall(tall, wide, screen[:, 1].max()))
    return cv2.resize(picture.clip(0, 255).astype(np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)


def wall(tall: int, wide: int, ground: float) -> np.ndarray:
    """A wall that grows darker to the sides, a floor, and a soft shadow under the feet."""
    y, x = np.mgrid[:tall, :wide].astype(np.float32)
    picture = np.array([196.0, 190, 182]) - 40 * ((x / wide - 0.5) ** 2)[..., None] * 4
    floor = (y > ground - 0.045 * tall)[..., None]
    picture = np.where(floor, np.array([150.0, 138, 124]) + 20 * (y / tall)[..., None], picture)
    shadow = np.exp(-(((x - wide / 2) / (0.2 * wide)) ** 2) - ((y - ground) / (0.02 * tall)) ** 2)
    return picture * (1 - 0.45 * shadow[..., None])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="picture to write")
    args = parser.parse_args()
    model = Anny(local_changes="all", facial_actions="all", phenotypes="all")
    faces = model.faces.numpy()
    vertices = default_head(model)
    colours = dress(model, vertices, mesh_parts(faces, len(vertices)))
    save_image(render(vertices, faces, colours), args.output)


if __name__ == "__main__":
    main()
