"""SMPL's own files as an option: a user's SMPL or SMPL-H model, and sequences of SMPL poses (iPER, AMASS, plain arrays)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..processing.pickled_arrays import read_pickled_arrays
from ..processing.plain_arrays import read_plain_arrays
from .body_coefficients import BodyCoefficients
from .body_joints import FACE_NAMES, NUM_JOINTS, NUM_POINTS
from .body_model import AdaATBodyModel, AdaATBodyModelConfig
from .rotation import rotation_matrix, rotation_vector


VERTICES = 6890
# Hands of SMPL are the first joints of the index fingers of SMPL-H.
SMPLH_TO_SMPL24 = (*range(22), 22, 37)
JOINTS = {24: "smpl", 52: "smplh"}
# Body joints that SMPL, SMPL-H and SMPL-X have in common.
COMMON_JOINTS = 22
ROTATIONS_BY_LENGTH = {72: "SMPL", 156: "SMPL-H", 165: "SMPL-X"}
# Cameras of iPER (those of HMR) are in units of half a picture, which is taken to have this many pixels a side.
IPER_PICTURE = 256
# Sequences without a camera are seen at this many pixels per metre.
PIXELS_PER_METRE = 100.0
# From each convention's axes to ours (y up, z to the camera).
Y_DOWN = ((1.0, 0, 0), (0, -1.0, 0), (0, 0, -1.0))
Z_UP = ((1.0, 0, 0), (0, 0, 1.0), (0, -1.0, 0))
Y_UP = ((1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0))


class SMPLFileError(ValueError):
    """A file of SMPL cannot be used; the message says why."""


def load_smpl_model(path: str | Path, num_shape: int = 10, allow_pickle: bool = False) -> AdaATBodyModel:
    """Make a body model of the user's own SMPL or SMPL-H file (https://smpl.is.tue.mpg.de, under its own licence).

    Only joints are kept: no vertex of the file is stored or written.

    Args:
        path (`str` or `Path`): `SMPLH_*.npz`, or `SMPL_*.pkl` / `SMPLH_*.pkl` with `allow_pickle=True`.
        num_shape (`int`, *optional*, defaults to 10): Shape components ("betas") to use.
        allow_pickle (`bool`, *optional*, defaults to `False`): Read a pickle, which can run any code it holds: only for
            files from SMPL's own site.

    Raises:
        FileNotFoundError: if there is no such file.
        ImportError: if `smplx` is not installed.
        SMPLFileError: if the file is no SMPL or SMPL-H model.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"SMPL file {str(path)!r} does not exist.")
    if path.suffix == ".pkl" and not allow_pickle:
        raise SMPLFileError(
            f"{str(path)!r} is a pickle, which can run any code: if it is from SMPL's own site, pass allow_pickle=True."
        )
    regressor, template, directions = _read_with_smplx(path, num_shape)
    if len(template) != VERTICES or len(regressor) not in JOINTS:
        raise SMPLFileError(
            f"{str(path)!r} has {len(regressor)} joints and {len(template)} vertices, expected those of SMPL (24, {VERTICES})"
            f" or SMPL-H (52, {VERTICES}); SMPL-X models are another version."
        )
    order = list(range(NUM_JOINTS)) if len(regressor) == NUM_JOINTS else list(SMPLH_TO_SMPL24)
    face = _face_vertices()
    mean = torch.cat([(regressor @ template)[order], template[face]])
    basis = torch.einsum("jv,vdn->njd", regressor, directions)[:, order]
    basis = torch.cat([basis, directions[face].permute(2, 0, 1)], 1)
    model = AdaATBodyModel(AdaATBodyModelConfig(num_shape=len(basis), source=JOINTS[len(regressor)]))
    model.set_basis(mean.numpy(), basis.numpy())
    return model


def _read_with_smplx(path: Path, num_shape: int) -> tuple[Tensor, Tensor, Tensor]:
    """Joint regressor (J, V), vertices at rest (V, 3) and shape directions (V, 3, N) of a file."""
    try:
        import smplx
    except ImportError as error:
        raise ImportError("Reading SMPL models needs smplx: pip install 'adaat-hf[smpl]'.") from error
    options = {"num_betas": num_shape, "create_body_pose": False}
    try:
        if path.suffix == ".npz" or "smplh" in path.name.lower():
            body = smplx.SMPLH(str(path), ext=path.suffix[1:], use_pca=False, **options)
        else:
            body = smplx.SMPL(str(path), **options)
        return body.J_regressor, body.v_template, body.shapedirs
    except Exception as error:
        raise SMPLFileError(f"smplx cannot read {str(path)!r} as an SMPL or SMPL-H model: {error!r}.") from error


def _face_vertices() -> list[int]:
    from smplx.vertex_ids import vertex_ids

    short = {"nose": "nose", "left_eye": "leye", "right_eye": "reye", "left_ear": "lear", "right_ear": "rear"}
    return [vertex_ids["smplh"][short[name]] for name in FACE_NAMES]


@dataclass(frozen=True)
class SMPLMotion:
    """A sequence of SMPL poses in our axes (y up, z to the camera).

    Args:
        pose (`Tensor` of shape (T, 24, 3)): Rotation vectors.
        betas (`Tensor` of shape (N,)): Shape, in the components of the model that the sequence was made with.
        scale (`Tensor` of shape (T,)): Pixels per metre.
        translation (`Tensor` of shape (T, 2)): The pelvis in pixels.
        fps (`float`, *optional*): Frame rate, where the file tells it.
        size (`tuple[int, int]`, *optional*): Height and width of the picture, where there is one.
    """

    pose: Tensor
    betas: Tensor
    scale: Tensor
    translation: Tensor
    fps: float | None = None
    size: tuple[int, int] | None = None

    def coefficients(self, model: AdaATBodyModel) -> BodyCoefficients:
        """The motion with the shape that `betas` mean for an SMPL model, or of an average body for any other."""
        shape = torch.zeros(model.config.num_shape)
        if model.config.source in JOINTS.values():
            count = min(len(shape), len(self.betas))
            shape[:count] = self.betas[:count]
        return BodyCoefficients.complete(shape, torch.ones(NUM_POINTS), self.pose, self.scale, self.translation)


def is_smpl_motion(path: str | Path) -> bool:
    """Whether an npz file holds SMPL poses."""
    if Path(path).suffix.lower() != ".npz" or not Path(path).is_file():
        return False
    try:
        with np.load(path, allow_pickle=False) as file:
            return bool({"poses", "pose", "smpls", "global_orient", "body_pose"} & set(file.files))
    except (ValueError, OSError):
        return False


def read_smpl_motion(path: str | Path) -> SMPLMotion:
    """Read a sequence of SMPL poses.

    Args:
        path (`str` or `Path`): An npz, or a pickle with nothing but arrays in it, of one of these kinds. iPER's
            `pose_shape.npz` or `.pkl`: `cams` (T, 3), `pose` (T, 72), `shape` (T, 10), y down; or the three side by side as `smpls` (T, 85). AMASS: `poses` (T, 72, 156 or 165),
            `trans` (T, 3), `betas`, `mocap_framerate`, z up. Arguments of `smplx`: `global_orient` (T, 3), `body_pose`
            (T, 63 or 69), `transl`, `betas`, y up. The hands' joints are not used.

    Raises:
        FileNotFoundError: if there is no such file.
        SMPLFileError: if the arrays are missing, have other shapes, or hold values that are not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"SMPL sequence {str(path)!r} does not exist.")
    read = read_pickled_arrays if path.suffix == ".pkl" else read_plain_arrays
    arrays = read(path, SMPLFileError)
    if "smpls" in arrays:
        joined = _array(arrays, "smpls", (85,), path)
        arrays |= {"cams": joined[:, :3], "pose": joined[:, 3:75], "shape": joined[:, 75:]}
    if "cams" in arrays and "pose" in arrays:
        return _from_iper(arrays, path)
    if "poses" in arrays:
        return _from_amass(arrays, path)
    if "global_orient" in arrays and "body_pose" in arrays:
        return _from_arguments(arrays, path)
    raise SMPLFileError(
        f"{str(path)!r} holds {sorted(arrays)}, expected 'cams' and 'pose' (iPER), 'poses' (AMASS), or 'global_orient' and"
        " 'body_pose'."
    )


def _from_iper(arrays: dict[str, np.ndarray], path: Path) -> SMPLMotion:
    pose = _body_pose(_array(arrays, "pose", tuple(ROTATIONS_BY_LENGTH), path), Y_DOWN)
    cams = torch.from_numpy(_array(arrays, "cams", (3,), path))
    if len(cams) != len(pose):
        raise SMPLFileError(f"{str(path)!r} has {len(cams)} cameras for {len(pose)} poses.")
    half = IPER_PICTURE / 2
    place = half * (cams[:, :1] * cams[:, 1:]) + half - 0.5
    return SMPLMotion(
        pose, _betas(arrays, "shape", path), half * cams[:, 0], place, None, (IPER_PICTURE, IPER_PICTURE)
    )


def _from_amass(arrays: dict[str, np.ndarray], path: Path) -> SMPLMotion:
    pose = _body_pose(_array(arrays, "poses", tuple(ROTATIONS_BY_LENGTH), path), Z_UP)
    rate = arrays.get("mocap_framerate", arrays.get("mocap_frame_rate"))
    fps = None if rate is None else float(rate)
    return _in_metres(pose, arrays, "trans", Z_UP, fps, path)


def _from_arguments(arrays: dict[str, np.ndarray], path: Path) -> SMPLMotion:
    root, body = _array(arrays, "global_orient", (3,), path), _array(arrays, "body_pose", (63, 69), path)
    if len(root) != len(body):
        raise SMPLFileError(f"{str(path)!r} has {len(root)} global orientations for {len(body)} poses.")
    pose = _body_pose(np.concatenate([root, body], 1), Y_UP)
    fps = float(arrays["fps"]) if "fps" in arrays else None
    return _in_metres(pose, arrays, "transl", Y_UP, fps, path)


def _in_metres(
    pose: Tensor, arrays: dict[str, np.ndarray], place: str, axes: tuple[tuple[float, ...], ...], fps: float | None, path: Path
) -> SMPLMotion:  # fmt: skip
    """A sequence with places in metres instead of a camera."""
    moved = torch.zeros(len(pose), 3)
    if place in arrays:
        moved = torch.from_numpy(_array(arrays, place, (3,), path)) @ torch.tensor(axes).T
    if len(moved) != len(pose):
        raise SMPLFileError(f"{str(path)!r} has {len(moved)} places for {len(pose)} poses.")
    flat = PIXELS_PER_METRE * moved[:, :2] * torch.tensor([1.0, -1.0])
    scale = torch.full((len(pose),), PIXELS_PER_METRE)
    return SMPLMotion(pose, _betas(arrays, "betas", path), scale, flat, fps)


def _body_pose(rotations: np.ndarray, axes: tuple[tuple[float, ...], ...]) -> Tensor:
    """Rotation vectors (T, 24, 3) of the joints that all versions share, the whole body turned into our axes."""
    pose = torch.zeros(len(rotations), NUM_JOINTS, 3)
    pose[:, :COMMON_JOINTS] = torch.from_numpy(rotations[:, : 3 * COMMON_JOINTS]).view(-1, COMMON_JOINTS, 3)
    pose[:, 0] = rotation_vector(torch.tensor(axes) @ rotation_matrix(pose[:, 0]))
    return pose


def _betas(arrays: dict[str, np.ndarray], name: str, path: Path) -> Tensor:
    if name not in arrays:
        return torch.zeros(10)
    betas = np.asarray(arrays[name], np.float32)
    if not np.isfinite(betas).all():
        raise SMPLFileError(f"{name!r} in {str(path)!r} has values that are not finite.")
    return torch.from_numpy(betas.reshape(-1, betas.shape[-1]).mean(0))


def _array(arrays: dict[str, np.ndarray], name: str, lengths: tuple[int, ...], path: Path) -> np.ndarray:
    values = np.asarray(arrays[name], np.float32)
    values = values.reshape(len(values), -1) if values.ndim > 1 and len(values) else values
    if values.ndim != 2 or values.shape[1] not in lengths or not len(values):
        raise SMPLFileError(
            f"{name!r} in {str(path)!r} has shape {np.shape(arrays[name])}, expected (T, N) with N one of {lengths}."
        )
    if not np.isfinite(values).all():
        bad = int(np.flatnonzero(~np.isfinite(values).all(1))[0])
        raise SMPLFileError(f"{name!r} in {str(path)!r} has values that are not finite, first in frame {bad}.")
    return values


__all__ = ["SMPLFileError", "SMPLMotion", "is_smpl_motion", "load_smpl_model", "read_smpl_motion"]
