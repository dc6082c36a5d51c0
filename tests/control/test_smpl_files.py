"""SMPL's files, made up here in their real form: models through smplx, and sequences of iPER, AMASS and plain arrays."""

import pickle

import numpy as np
import pytest
import torch

from adaat_hf import SMPLFileError, load_smpl_model, read_smpl_motion
from adaat_hf.control.body_joints import PARENTS
from adaat_hf.control.rotation import rotation_matrix


VERTICES = 6890


def made_up_model(joints, vertices=VERTICES, betas=10):
    """Arrays of an SMPL file: random vertices and shapes, joints as means of a few vertices."""
    rng = np.random.default_rng(0)
    regressor = np.zeros((joints, vertices))
    for joint in range(joints):
        regressor[joint, rng.choice(vertices, 5, replace=False)] = 0.2
    parents = list(PARENTS) if joints == 24 else [*PARENTS[:22], *np.repeat(20, 15), *np.repeat(21, 15)]
    table = np.array([[-1 if p < 0 else p for p in parents[:joints]] + [0] * (joints - len(parents)), range(joints)])
    return {
        "v_template": rng.normal(0, 0.3, (vertices, 3)),
        "shapedirs": rng.normal(0, 0.01, (vertices, 3, betas)),
        "posedirs": np.zeros((vertices, 3, 9 * (joints - 1))),
        "J_regressor": regressor,
        "kintree_table": table,
        "weights": np.full((vertices, joints), 1 / joints),
        "f": rng.integers(0, vertices, (20, 3)),
        "hands_componentsl": np.eye(45), "hands_componentsr": np.eye(45),
        "hands_meanl": np.zeros(45), "hands_meanr": np.zeros(45),
    }  # fmt: skip


@pytest.fixture
def smpl_file(tmp_path):
    path = tmp_path / "SMPL_NEUTRAL.pkl"
    path.write_bytes(pickle.dumps(made_up_model(24)))
    return path


@pytest.fixture
def smplh_file(tmp_path):
    path = tmp_path / "SMPLH_NEUTRAL.npz"
    np.savez(path, **made_up_model(52))
    return path


def test_joints_are_those_of_smplx(smpl_file):
    smplx = pytest.importorskip("smplx")
    ours = load_smpl_model(smpl_file, allow_pickle=True)
    theirs = smplx.SMPL(str(smpl_file))
    betas, pose = torch.randn(1, 10), torch.randn(1, 24, 3) * 0.5
    wanted = theirs(betas=betas, global_orient=pose[:, 0], body_pose=pose[:, 1:].flatten(1)).joints[:, :24]
    found = ours(betas, pose)[:, :24]
    torch.testing.assert_close(found, (wanted - wanted[:, :1]).detach(), atol=1e-4, rtol=0)
    assert ours.config.source == "smpl"


def test_smplh_gives_the_same_24_joints(smplh_file):
    pytest.importorskip("smplx")
    model = load_smpl_model(smplh_file)
    arrays = made_up_model(52)
    rest = arrays["J_regressor"] @ arrays["v_template"]
    order = [*range(22), 22, 37]
    np.testing.assert_allclose(model.mean[:24], (rest - rest[0])[order], atol=1e-5)
    assert model.config.source == "smplh" and model.config.num_shape == 10


def test_models_of_another_version_and_pickles_are_refused(tmp_path, smpl_file):
    pytest.importorskip("smplx")
    with pytest.raises(SMPLFileError, match="is a pickle, which can run any code"):
        load_smpl_model(smpl_file)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_smpl_model(tmp_path / "SMPL.pkl")
    other = tmp_path / "SMPLX_NEUTRAL.npz"
    np.savez(other, **made_up_model(52, vertices=10475))
    with pytest.raises(
        SMPLFileError, match="10475 vertices, expected those of SMPL .* another version|smplx cannot read"
    ):
        load_smpl_model(other)
    (tmp_path / "SMPLH_x.npz").write_bytes(b"no model")
    with pytest.raises(SMPLFileError, match="smplx cannot read"):
        load_smpl_model(tmp_path / "SMPLH_x.npz")


def test_ipers_sequences_stand_upright_where_their_cameras_say(tmp_path, body_model):
    pose = np.zeros((4, 72), np.float32)
    pose[:, 0] = np.pi  # SMPL's body in a camera whose y points down
    cams = np.tile(np.float32([0.8, 0.1, 0.25]), (4, 1))
    np.savez(tmp_path / "pose_shape.npz", cams=cams, pose=pose, shape=np.zeros((4, 10), np.float32))
    motion = read_smpl_motion(tmp_path / "pose_shape.npz")
    torch.testing.assert_close(rotation_matrix(motion.pose[:, 0]), torch.eye(3).expand(4, 3, 3), atol=1e-5, rtol=0)
    points = motion.coefficients(body_model).project(body_model)[0]
    assert points[0, 1] < points[8, 1] < points[10, 1], "head above hips above ankles"
    assert motion.translation[0].tolist() == pytest.approx([127.5 + 128 * 0.08, 127.5 + 128 * 0.2], abs=0.01)
    np.savez(tmp_path / "joined.npz", smpls=np.concatenate([cams, pose, np.zeros((4, 10), np.float32)], 1))
    torch.testing.assert_close(read_smpl_motion(tmp_path / "joined.npz").pose, motion.pose)


@pytest.mark.parametrize("numbers", [72, 156, 165])
def test_amass_sequences_are_turned_upright(tmp_path, body_model, numbers):
    poses = np.zeros((6, numbers), np.float32)
    poses[:, 0] = np.pi / 2  # z is up: an upright body is turned about x
    places = np.c_[np.linspace(0, 1, 6), np.zeros(6), np.linspace(0, 0.5, 6)]
    np.savez(tmp_path / "walk.npz", poses=poses, trans=places, betas=np.zeros(16), mocap_framerate=120.0)
    motion = read_smpl_motion(tmp_path / "walk.npz")
    assert motion.fps == 120
    points = motion.coefficients(body_model).project(body_model)
    assert (points[:, 0, 1] < points[:, 10, 1]).all()
    assert motion.translation[-1].tolist() == pytest.approx([100, -50]), "to the left and up, 100 px per metre"


def test_arguments_of_smplx_and_betas_of_a_users_model(tmp_path, smpl_file):
    pytest.importorskip("smplx")
    body = np.zeros((3, 69), np.float32)
    body[:, 3 * 17 + 1] = 0.7  # right elbow
    arrays = {"global_orient": np.zeros((3, 3)), "body_pose": body, "betas": np.arange(10.0)[None], "fps": 30}
    np.savez(tmp_path / "seq.npz", **arrays)
    motion = read_smpl_motion(tmp_path / "seq.npz")
    assert motion.pose[0, 18].tolist() == pytest.approx([0, 0.7, 0]) and motion.fps == 30
    model = load_smpl_model(smpl_file, allow_pickle=True)
    assert motion.coefficients(model).shape.tolist() == list(range(10))


@pytest.mark.parametrize(
    "arrays, message",
    [
        ({"pose": np.zeros((2, 72))}, r"holds \['pose'\], expected 'cams' and 'pose'"),
        ({"pose": np.zeros((2, 70)), "cams": np.zeros((2, 3))}, r"'pose' .* shape \(2, 70\)"),
        ({"pose": np.zeros((2, 72)), "cams": np.zeros((3, 3))}, "3 cameras for 2 poses"),
        ({"poses": np.full((2, 72), np.nan)}, "not finite, first in frame 0"),
        ({"poses": np.zeros((0, 72))}, "expected"),
        ({"global_orient": np.zeros((2, 3)), "body_pose": np.zeros((3, 69))}, "2 global orientations for 3 poses"),
        ({"poses": np.zeros((2, 72)), "betas": np.array([np.inf])}, "'betas' .* not finite"),
    ],
)
def test_bad_sequences_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(SMPLFileError, match=message):
        read_smpl_motion(tmp_path / "bad.npz")
