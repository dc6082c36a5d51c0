"""Fit the face model to the landmarks of a clip: one identity, per-frame expression and head pose."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .coefficients import PER_FRAME, FaceCoefficients
from .face_model import AdaATFaceModel
from .rotation import nearest_rotation, rotation_matrix, rotation_vector


@dataclass(frozen=True)
class FitSettings:
    """How strongly landmarks and priors weigh; lengths are in model units (outer eye distance = 1).

    Args:
        noise (`float`): Expected landmark error.
        expression_deviation (`float`): Expected size of an expression weight.
        offset_deviation (`float`): Expected size of what the identity basis misses.
        outlier (`float`): Residual, in units of `noise`, from which a landmark loses its influence.
        iterations (`int`): Rounds of pose, expression and identity.
        following_iterations (`int`): The same for a frame that begins where the last one ended.
        identity_frames (`int`): Frames, spread over the clip, that decide on the identity.
    """

    noise: float = 0.015
    expression_deviation: float = 0.4
    offset_deviation: float = 0.03
    outlier: float = 4.0
    iterations: int = 8
    following_iterations: int = 2
    identity_frames: int = 48


# The jaw line slides along the cheek as the head turns, so its points say little about the head (PEERS, section 5.2).
JAW_WEIGHT = 0.25
# With a known identity frames are independent; solved in parts, long clips need no more memory than short ones.
FRAMES_AT_ONCE = 512


class FaceFitter:
    """Fits [`AdaATFaceModel`] to landmarks by alternating robust least squares.

    Args:
        model (`AdaATFaceModel`): The face model.
        settings (`FitSettings`, *optional*): Weights of data and priors.
    """

    def __init__(self, model: AdaATFaceModel, settings: FitSettings | None = None) -> None:
        self.model = model
        self.settings = settings or FitSettings()
        self._mean = model.mean.float().cpu()
        self._identity = model.identity_basis.float().cpu()
        self._expression = model.expression_basis.float().cpu()

    @torch.no_grad()
    def fit(self, points: Tensor, visibility: Tensor, identity: FaceCoefficients | None = None) -> FaceCoefficients:
        """Fit a clip.

        Args:
            points (`Tensor` of shape (T, K', 2)): Landmarks in pixels; K' may be less than the model's K points, the
                leading ones of its layout.
            visibility (`Tensor` of shape (T, K')): Weight of each landmark in [0, 1]; a frame without any is missing.
            identity (`FaceCoefficients`, *optional*): A fitted face whose identity is kept.

        Returns:
            [`FaceCoefficients`]: Missing frames hold the nearest earlier (or first) valid frame's values.

        Raises:
            ValueError: if no frame has a visible face or a coordinate is not finite.
        """
        points, weights = self._complete(points, visibility)
        valid = weights.sum(1) >= 6
        if not valid.any():
            raise ValueError(f"None of the {len(points)} frames shows a face: there is nothing to fit.")
        if identity is None:
            chosen = self._spread(valid)
            identity = self._solve(points[chosen], weights[chosen], None)
        parts = valid.nonzero().flatten().split(FRAMES_AT_ONCE)
        solved = [self._solve(points[part], weights[part], identity) for part in parts]
        return _hold_missing(_joined(solved), valid)

    @torch.no_grad()
    def follow(self, points: Tensor, visibility: Tensor, last: FaceCoefficients) -> FaceCoefficients | None:
        """Fit the frame after one that was fitted, which takes a fraction of the time of [`~FaceFitter.fit`].

        Args:
            points (`Tensor` of shape (K', 2)), visibility (`Tensor` of shape (K',)): See [`~FaceFitter.fit`].
            last (`FaceCoefficients`): The frame before; its identity is kept.

        Returns:
            [`FaceCoefficients`]: one frame, or `None` if too little of the face is visible.
        """
        full, weights = self._complete(points[None], visibility[None])
        if weights.sum() < 6:
            return None
        return self._solve(full, weights, last, last)

    def _complete(self, points: Tensor, visibility: Tensor) -> tuple[Tensor, Tensor]:
        count = len(self._mean)
        if points.ndim != 3 or points.shape[2] != 2 or points.shape[1] > count:
            raise ValueError(f"points have shape {tuple(points.shape)}, expected (T, K, 2) with K <= {count}.")
        if visibility.shape != points.shape[:2]:
            raise ValueError(f"visibility has shape {tuple(visibility.shape)}, expected {tuple(points.shape[:2])}.")
        weights = torch.zeros(len(points), count)
        weights[:, : points.shape[1]] = visibility.float()
        weights[:, :17] *= JAW_WEIGHT
        full = torch.zeros(len(points), count, 2)
        full[:, : points.shape[1]] = points.float()
        if not torch.isfinite(full[weights > 0]).all():
            raise ValueError("A visible landmark has a coordinate that is not finite.")
        return torch.where(weights[..., None] > 0, full, 0), weights

    def _spread(self, valid: Tensor) -> Tensor:
        index = valid.nonzero().flatten()
        steps = torch.linspace(0, len(index) - 1, min(len(index), self.settings.identity_frames))
        return index[steps.round().long().unique()]

    def _solve(
        self,
        points: Tensor,
        weights: Tensor,
        known: FaceCoefficients | None,
        start: FaceCoefficients | None = None,
    ) -> FaceCoefficients:
        frames = len(points)
        identity = torch.zeros(len(self._identity)) if known is None else known.identity
        offset = torch.zeros_like(self._mean) if known is None else known.offset
        expression = torch.zeros(frames, len(self._expression))
        neutral = self._neutral(identity, offset)
        if start is None:
            rotation, scale, translation = _initial_pose(neutral.expand(frames, -1, -1), points, weights)
        else:
            expression = start.expression
            rotation, scale, translation = rotation_matrix(start.rotation), start.scale, start.translation
        robust = weights
        for step in range(self.settings.iterations if start is None else self.settings.following_iterations):
            shape = neutral + torch.einsum("te,ekd->tkd", expression, self._expression)
            rotation, scale, translation = _refine_pose(shape, points, robust, rotation, scale, translation)
            target = self._lift(points, scale, translation)
            robust = weights * self._influence(target, rotation, shape)
            expression = self._solve_expression(target, robust, rotation, neutral, expression)
            if known is None:
                bend = torch.einsum("te,ekd->tkd", expression, self._expression)
                if step >= 2:
                    identity = self._solve_identity(target, robust, rotation, offset, bend)
                if step >= self.settings.iterations - 3:
                    offset = self._solve_offset(target, robust, rotation, identity, bend)
                neutral = self._neutral(identity, offset)
        return FaceCoefficients(
            identity,
            offset,
            expression,
            rotation_vector(rotation),
            scale,
            translation,
            torch.ones(frames, dtype=torch.bool),
        )

    def _neutral(self, identity: Tensor, offset: Tensor) -> Tensor:
        return self._mean + offset + torch.einsum("n,nkd->kd", identity, self._identity)

    def _lift(self, points: Tensor, scale: Tensor, translation: Tensor) -> Tensor:
        return (points - translation[:, None]) / scale[:, None, None]

    def _influence(self, target: Tensor, rotation: Tensor, shape: Tensor) -> Tensor:
        residual = (target - torch.einsum("tij,tkj->tki", rotation[:, :2], shape)).norm(dim=-1)
        return 1 / (1 + (residual / (self.settings.outlier * self.settings.noise)) ** 2) ** 2

    def _solve_expression(
        self, target: Tensor, weights: Tensor, rotation: Tensor, neutral: Tensor, start: Tensor
    ) -> Tensor:
        residual = target - torch.einsum("tij,kj->tki", rotation[:, :2], neutral)
        basis = torch.einsum("tij,ekj->teki", rotation[:, :2], self._expression)
        weighted = basis * (weights / self.settings.noise**2)[:, None, :, None]
        normal = torch.einsum("teki,tfki->tef", weighted, basis)
        right = torch.einsum("teki,tki->te", weighted, residual)
        normal.diagonal(dim1=1, dim2=2).add_(self.settings.expression_deviation**-2)
        return _bounded_least_squares(normal, right, start)

    def _solve_identity(
        self, target: Tensor, weights: Tensor, rotation: Tensor, offset: Tensor, bend: Tensor
    ) -> Tensor:
        residual = target - torch.einsum("tij,tkj->tki", rotation[:, :2], self._mean + offset + bend)
        basis = torch.einsum("tij,nkj->tnki", rotation[:, :2], self._identity)
        weighted = basis * (weights / self.settings.noise**2)[:, None, :, None]
        normal = torch.einsum("tnki,tmki->nm", weighted, basis)
        right = torch.einsum("tnki,tki->n", weighted, residual)
        return torch.linalg.solve(normal + torch.eye(len(right)), right)

    def _solve_offset(
        self, target: Tensor, weights: Tensor, rotation: Tensor, identity: Tensor, bend: Tensor
    ) -> Tensor:
        neutral = self._neutral(identity, torch.zeros_like(self._mean))
        axes = rotation[:, :2]
        residual = target - torch.einsum("tij,tkj->tki", axes, neutral + bend)
        weighted = weights / self.settings.noise**2
        normal = torch.einsum("tk,tid,tie->kde", weighted, axes, axes)
        right = torch.einsum("tk,tid,tki->kd", weighted, axes, residual)
        prior = torch.eye(3) * self.settings.offset_deviation**-2
        return torch.linalg.solve(normal + prior, right)


def _initial_pose(shape: Tensor, points: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Scaled orthographic pose from the best affine camera (DeMenthon and Davis, 1995)."""
    total = weights.sum(1, keepdim=True)
    centre3 = (weights[..., None] * shape).sum(1) / total
    centre2 = (weights[..., None] * points).sum(1) / total
    flat, seen = shape - centre3[:, None], points - centre2[:, None]
    normal = torch.einsum("tk,tkd,tke->tde", weights, flat, flat) + 1e-6 * torch.eye(3)
    camera = torch.linalg.solve(normal, torch.einsum("tk,tkd,tki->tdi", weights, flat, seen)).transpose(1, 2)
    scale = camera.norm(dim=2).mean(1).clamp_min(1e-6)
    rows = camera / camera.norm(dim=2, keepdim=True).clamp_min(1e-9)
    third = torch.linalg.cross(rows[:, 0], rows[:, 1])
    rotation = nearest_rotation(torch.cat([rows, third[:, None]], 1))
    translation = centre2 - scale[:, None] * torch.einsum("tij,tj->ti", rotation[:, :2], centre3)
    return rotation, scale, translation


def _refine_pose(
    shape: Tensor,
    points: Tensor,
    weights: Tensor,
    rotation: Tensor,
    scale: Tensor,
    translation: Tensor,
    steps: int = 2,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gauss-Newton steps on rotation, log scale and translation, all frames at once."""
    for _ in range(steps):
        turned = torch.einsum("tij,tkj->tki", rotation, shape) * scale[:, None, None]
        residual = points - turned[..., :2] - translation[:, None]
        x, y, z = turned.unbind(-1)
        zero, one = torch.zeros_like(x), torch.ones_like(x)
        jacobian = torch.stack(
            [torch.stack([zero, z, -y, x, one, zero], -1), torch.stack([-z, zero, x, y, zero, one], -1)], -2
        )
        normal = torch.einsum("tk,tkia,tkib->tab", weights, jacobian, jacobian)
        normal += (
            1e-4
            * normal.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
            * torch.diag(torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0, 0.0]))
        )
        step = torch.linalg.solve(normal, torch.einsum("tk,tkia,tki->ta", weights, jacobian, residual))
        step = torch.cat([step[:, :4].clamp(-0.5, 0.5), step[:, 4:]], 1)
        rotation = rotation_matrix(step[:, :3]) @ rotation
        scale = scale * step[:, 3].exp()
        translation = translation + step[:, 4:]
    return rotation, scale, translation


def _bounded_least_squares(normal: Tensor, right: Tensor, start: Tensor, sweeps: int = 4) -> Tensor:
    """Minimise x'Nx/2 - r'x with 0 <= x <= 1 by cyclic coordinate descent, for every frame at once."""
    solution = start.clone()
    diagonal = normal.diagonal(dim1=1, dim2=2)
    for _ in range(sweeps):
        for k in range(solution.shape[1]):
            gradient = (normal[:, k] * solution).sum(1) - right[:, k]
            solution[:, k] = (solution[:, k] - gradient / diagonal[:, k]).clamp(0, 1)
    return solution


def _joined(parts: list[FaceCoefficients]) -> FaceCoefficients:
    """Successive parts of a clip of one face."""
    return replace(parts[0], **{name: torch.cat([getattr(part, name) for part in parts]) for name in PER_FRAME})


def _hold_missing(found: FaceCoefficients, valid: Tensor) -> FaceCoefficients:
    """Give each frame without a face the values of the last frame that had one."""
    last = (valid.cumsum(0) - 1).clamp_min(0)
    return replace(found.frames(last), valid=valid)
