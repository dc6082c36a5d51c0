"""Fit the body model to the key points of a clip: one shape, per-frame pose and camera."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..processing.body_keypoints import ARM_AND_LEG_BONES
from .body_coefficients import FLIP, BodyCoefficients, hold_missing, last_valid
from .body_joints import BONE_STARTS, MIRROR_POINTS, NUM_JOINTS, NUM_POINTS, PARENTS, to_body18
from .body_model import AdaATBodyModel, pose_points
from .body_priors import pose_spread, unusualness, usual_pose
from .body_sequence import joined_windows, least_motion, pseudo_huber, sudden_sizes
from .rotation import rotation_matrix, rotation_vector


@dataclass(frozen=True)
class BodyFitSettings:
    """How strongly key points and priors weigh.

    Args:
        noise (`float`): Expected error of a key point, in units of the trunk's length.
        outlier (`float`): Residual, in units of `noise`, from which a key point loses its influence.
        bone_deviation (`float`): Expected deviation of a bone's length from what the shape says, as a share of it.
        flat (`float`): Sine of a limb's angle to the picture below which two-dimensional key points do not tell the angle.
        acceleration (`float`): Expected acceleration of a joint, in metres per squared second.
        turn (`float`): Expected speed of a joint's rotation, in radians per second.
        sudden (`float`): Motion, in units of what is expected, from which on its cost grows linearly, so that kicks and leaps
            are followed.
        misfit (`float`): Median distance of a frame's key points from those of the fitted body, in units of the trunk's length, from
            which they are a mistake of the detector's: the pose is then made from the frames around it.
        sudden_size (`float`): Factor between a frame's scale and the median within a second of it from which the same holds.
        mistaken (`float`): Largest share of such frames; if there are more, they are kept.
        zoom (`float`): Expected change of the camera's scale, as a share of it per second.
        starts (`int`): Directions of the body from which every frame is fitted first.
        start_steps, steps (`int`): Steps of the optimiser from each start, and for the clip as a whole.
        shape_frames (`int`): Frames, spread over the clip, that decide on the shape.
        window, overlap (`int`): Frames that are fitted together, and how many of them neighbouring windows share.
    """

    noise: float = 0.05
    outlier: float = 4.0
    bone_deviation: float = 0.15
    flat: float = 0.4
    acceleration: float = 30.0
    turn: float = 6.0
    sudden: float = 0.5
    misfit: float = 0.1
    sudden_size: float = 1.3
    mistaken: float = 0.4
    zoom: float = 0.3
    starts: int = 8
    start_steps: int = 60
    steps: int = 150
    shape_frames: int = 64
    window: int = 512
    overlap: int = 24


# A frame with fewer points says nothing.
MIN_POINTS = 5
# How much later a key point becomes an outlier while poses are far from it.
FIRST_PATIENCE = 2.0


@dataclass
class _State:
    """Parameters of F frames during a fit; the pelvis's rotation vector comes on top of `turn` (F, 3, 3)."""

    shape: Tensor
    bones: Tensor
    pose: Tensor
    turn: Tensor
    scale: Tensor
    translation: Tensor


class BodyFitter:
    """Fits [`AdaATBodyModel`] to key points in two or three dimensions by robust least squares on joint rotations.

    Two-dimensional key points leave it open whether a limb points to the camera or away from it. Every frame is therefore
    fitted from several directions of the body, and the sequence of results with the least error and motion is kept (dynamic
    programming), before the clip is fitted as a whole (compare Bogo et al., Keep it SMPL, 2016).

    Args:
        model (`AdaATBodyModel`): The body model.
        settings (`BodyFitSettings`, *optional*): Weights of data and priors.
    """

    def __init__(self, model: AdaATBodyModel, settings: BodyFitSettings | None = None) -> None:
        self.settings = settings or BodyFitSettings()
        self.model = AdaATBodyModel(model.config)
        self.model.load_state_dict({name: value.float().cpu() for name, value in model.state_dict().items()})
        self._usual, self._spread = usual_pose(), pose_spread()
        rest = to_body18(self.model.mean)
        self._trunk = float((rest[[2, 5]].mean(0) - rest[[8, 11]].mean(0)).norm())

    def fit(
        self, points: Tensor, visibility: Tensor, fps: float | None = 25.0, body: BodyCoefficients | None = None
    ) -> BodyCoefficients:
        """Fit a clip.

        Args:
            points (`Tensor` of shape (T, 18, 2) or (T, 18, 3)): Key points in pixels, in the OpenPose order; a third
                coordinate is the depth in the same unit, growing away from the camera, with any origin per frame.
            visibility (`Tensor` of shape (T, 18)): Weight of each key point in [0, 1]; 0 for a missing one.
            fps (`float`, *optional*, defaults to 25.0): Frame rate; `None` for pictures that do not follow one another.
            body ([`BodyCoefficients`], *optional*): A fitted body whose shape is kept.

        Returns:
            [`BodyCoefficients`]: Frames with too few points hold the last pose.

        Raises:
            ValueError: if shapes are wrong, a visible coordinate is not finite, or no frame shows a person.
        """
        points, weights, valid = self._checked(points, visibility)
        found = self._fit_clip(points, weights, fps, body)
        if fps is not None:
            wrong = ~self._fits(found, points, weights)
            wrong |= sudden_sizes(found.scale, fps) > self.settings.sudden_size
            if 0 < float(wrong.float().mean()) <= self.settings.mistaken:
                found = self._fit_clip(points, weights * ~wrong[:, None], fps, body)
        return hold_missing(replace(found, valid=valid, known=known_joints(visibility)))

    def misfit(self, found: BodyCoefficients, points: Tensor, visibility: Tensor) -> Tensor:
        """How far key points lie from those of the body that was fitted to them.

        Args:
            found ([`BodyCoefficients`]): T frames of a body.
            points (`Tensor` of shape (T, 18, 2)), visibility (`Tensor` of shape (T, 18)): See [`fit`].

        Returns:
            `Tensor` of shape (T,): median distance of the visible points in units of the trunk's length; NaN without any.
        """
        apart = (found.project(self.model) - points[..., :2]).norm(dim=-1) / (found.scale * self._trunk)[:, None]
        return torch.where(visibility > 0, apart, torch.nan).nanmedian(1).values

    def _checked(self, points: Tensor, visibility: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if points.ndim != 3 or points.shape[1] != len(to_body18(self.model.mean)) or points.shape[2] not in (2, 3):
            raise ValueError(f"points have shape {tuple(points.shape)}, expected (T, 18, 2) or (T, 18, 3).")
        if visibility.shape != points.shape[:2]:
            raise ValueError(f"visibility has shape {tuple(visibility.shape)}, expected {tuple(points.shape[:2])}.")
        weights = visibility.float()
        if not torch.isfinite(points[weights > 0]).all():
            raise ValueError("A visible key point has a coordinate that is not finite.")
        valid = (weights > 0).sum(1) >= MIN_POINTS
        if not valid.any():
            raise ValueError(
                f"None of the {len(points)} frames shows {MIN_POINTS} points of a person: there is nothing to fit."
            )
        weights = weights * valid[:, None]
        return torch.where(weights[..., None] > 0, points.float(), 0), weights, valid

    def _fit_clip(
        self, points: Tensor, weights: Tensor, fps: float | None, body: BodyCoefficients | None
    ) -> BodyCoefficients:
        if body is None:
            seen = weights.any(1)
            body = self._fit_shape(points[seen], weights[seen])
        return self._fit_windows(points, weights, fps, body)

    def _fit_shape(self, points: Tensor, weights: Tensor) -> BodyCoefficients:
        """Shape and bones from frames that are spread over the clip, the ones with the most points."""
        count = min(len(points), self.settings.shape_frames)
        groups = torch.arange(len(points)).tensor_split(count)
        chosen = torch.stack([group[weights[group].sum(1).argmax()] for group in groups])
        shape, bones = torch.zeros(self.model.config.num_shape), torch.ones(NUM_POINTS)
        state, _ = self._choose_starts(points[chosen], weights[chosen], shape, bones, None)
        self._optimise(state, points[chosen], weights[chosen], self.settings.steps, 0.03, None, learn_shape=True)
        return self._coefficients(state)

    def _fit_windows(
        self, points: Tensor, weights: Tensor, fps: float | None, body: BodyCoefficients
    ) -> BodyCoefficients:
        size, overlap = self.settings.window, self.settings.overlap
        starts = range(0, max(1, len(points) - overlap), size - overlap)
        result: BodyCoefficients | None = None
        for start in starts:
            window = slice(start, start + size)
            state, trusted = self._choose_starts(points[window], weights[window], body.shape, body.bone_scale, fps)
            self._optimise(state, points[window], trusted, self.settings.steps, 0.03, fps, learn_shape=False)
            part = self._coefficients(state)
            result = part if result is None else joined_windows(result, part, overlap)
        assert result is not None
        return result

    @torch.no_grad()
    def _guess(self, points: Tensor, weights: Tensor, shape: Tensor, bone_scale: Tensor) -> _State:
        """A standing body in every frame (T frames, S starts, flattened): turned as the trunk lies, at its size and place."""
        frames, starts = len(points), self.settings.starts
        flat, total = points[..., :2], weights.sum(1, keepdim=True).clamp_min(1e-6)
        rest = self.model.rest(shape, bone_scale)
        shape18 = to_body18(pose_points(rest[None], rotation_matrix(self._usual)[None])[0])[0, :, :2]
        shape18 = shape18 * shape18.new_tensor(FLIP)
        centre2 = (weights[..., None] * flat).sum(1) / total
        centre3 = weights @ shape18 / total
        seen, known = flat - centre2[:, None], shape18 - centre3[:, None]
        spread2 = (weights * seen.square().sum(-1)).sum(1)
        spread3 = (weights * known.square().sum(-1)).sum(1)
        scale = (spread2 / spread3.clamp_min(1e-9)).sqrt().clamp_min(1e-3)
        # The turn in the picture's plane that lays the usual pose best on the points, sideways shrinking aside.
        cosine = (weights * (seen * known)[..., 1]).sum(1)
        sine = (weights * (seen[..., 1] * known[..., 0] - seen[..., 0] * known[..., 1])).sum(1)
        roll = torch.atan2(-sine, cosine)
        yaw = torch.arange(starts) * (2 * torch.pi / starts)
        zero = torch.zeros(frames, starts)
        rolls = rotation_matrix(torch.stack([zero, zero, roll[:, None].expand(-1, starts)], -1))
        yaws = rotation_matrix(torch.stack([zero, yaw.expand(frames, -1), zero], -1))
        pose = self._usual.expand(frames * starts, -1, -1).clone()
        return _State(
            shape,
            bone_scale.log(),
            pose,
            (rolls @ yaws).flatten(0, 1),
            scale.log().repeat_interleave(starts),
            (centre2 - scale[:, None] * centre3).repeat_interleave(starts, 0),
        )

    def _choose_starts(
        self, points: Tensor, weights: Tensor, shape: Tensor, bone_scale: Tensor, fps: float | None
    ) -> tuple[_State, Tensor]:
        """Fit every frame from several directions and keep the best sequence of results; also the weights, which are 0 in frames of a
        clip that no body fits: these would pull those beside them along."""
        starts, seen = self.settings.starts, weights.any(1)
        near = last_valid(seen) if seen.any() else torch.arange(len(points))
        state = self._guess(points[near], weights[near], shape, bone_scale)
        many, heavy = points.repeat_interleave(starts, 0), weights.repeat_interleave(starts, 0)
        self._optimise(state, many, heavy, self.settings.start_steps, 0.08, None, False, patience=FIRST_PATIENCE)
        with torch.no_grad():
            joints, _ = self._pose(state)
            cost = self._cost(state, joints, many, heavy, self.settings.outlier).unflatten(0, (-1, starts))
            kept = torch.arange(len(points))
            if fps is not None:
                fits = self._fits(self._coefficients(state), many, heavy).unflatten(0, (-1, starts)).any(1)
                if seen.any() and float((seen & ~fits).float().sum() / seen.sum()) <= self.settings.mistaken:
                    weights, kept = weights * fits[:, None], last_valid(fits & seen)
            places = joints[:, :NUM_JOINTS].unflatten(0, (-1, starts))
            chosen = least_motion(cost[kept], places[kept]) if fps is not None else cost.argmin(1)
        index = kept * starts + chosen
        per_frame = {name: getattr(state, name)[index] for name in ("pose", "turn", "scale", "translation")}
        return replace(state, **per_frame), weights

    def _fits(self, found: BodyCoefficients, points: Tensor, weights: Tensor) -> Tensor:
        """Whether frames of a body lie near the key points (F, 18, 2 or 3), or these are none; (F,)."""
        return ~(self.misfit(found, points, weights) > self.settings.misfit)

    def _optimise(
        self,
        state: _State,
        points: Tensor,
        weights: Tensor,
        steps: int,
        rate: float,
        fps: float | None,
        learn_shape: bool,
        patience: float = 1.0,
    ) -> None:
        """Adam on all frames at once; the step of the places is in units of the trunk. Key points become outliers `patience`
        times later at first, so that a limb is pulled to its place from afar, and as set in the second half."""
        unit = state.scale.exp().median() * self._trunk
        pose, scale = state.pose.clone().requires_grad_(), state.scale.clone().requires_grad_()
        shift = torch.zeros_like(state.translation).requires_grad_()
        groups = [{"params": [pose, scale, shift], "lr": rate}]
        shape, bones = state.shape.clone(), state.bones.clone()
        if learn_shape:
            shape.requires_grad_(), bones.requires_grad_()
            groups.append({"params": [shape], "lr": 0.1})
            groups.append({"params": [bones], "lr": 0.01})
        optimizer = torch.optim.Adam(groups, fused=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, 0.05 * rate)
        with torch.enable_grad():
            for step in range(steps):
                outlier = self.settings.outlier * max(1.0, patience ** (1 - 2 * step / steps))
                trial = _State(shape, bones, pose, state.turn, scale, state.translation + shift * unit)
                joints, local = self._pose(trial)
                loss = self._cost(trial, joints, points, weights, outlier).sum()
                if fps is not None and len(pose) > 2:
                    loss = loss + self._motion_cost(trial, joints, local, fps)
                if learn_shape:
                    if points.shape[2] == 2:
                        loss = loss + self._foreshortening(to_body18(joints), weights)
                    symmetric = (bones + bones[list(MIRROR_POINTS)]) / 2
                    prior = shape.square().sum() + (bones / self.settings.bone_deviation).square().sum()
                    loss = loss + prior / 2 + ((bones - symmetric) / 0.01).square().sum() / 2
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
        state.shape, state.bones, state.pose = shape.detach(), bones.detach(), pose.detach()
        state.scale, state.translation = scale.detach(), state.translation + shift.detach() * unit

    def _pose(self, state: _State) -> tuple[Tensor, Tensor]:
        """Points (F, 29, 3) of the posed bodies, and every joint's rotation relative to its parent (F, 24, 3, 3)."""
        local = rotation_matrix(state.pose)
        local = torch.cat([(state.turn @ local[:, 0])[:, None], local[:, 1:]], 1)
        return pose_points(self.model.rest(state.shape, state.bones.exp())[None], local)[0], local

    def _cost(self, state: _State, joints: Tensor, points: Tensor, weights: Tensor, outlier: float) -> Tensor:
        """Robust error of the key points and unusualness of the pose, per frame."""
        body18 = to_body18(joints)
        scale = state.scale.exp()[:, None, None]
        flat = scale * body18[..., :2] * body18.new_tensor(FLIP) + state.translation[:, None]
        residual = (flat - points[..., :2]).square().sum(-1)
        if points.shape[2] == 3:
            # A weak perspective has no depth of its own, so depths count from their visible mean.
            depth = -scale[..., 0] * body18[..., 2] - points[..., 2]
            mean = (depth * weights).sum(1, keepdim=True) / weights.sum(1, keepdim=True).clamp_min(1e-6)
            residual = residual + (depth - mean).square()
        unit = (self.settings.noise * self._trunk * state.scale.detach().exp()[:, None]).square()
        squared, bound = residual / unit, outlier**2
        error = (weights * bound * squared / (bound + squared)).sum(1) / 2
        return error + unusualness(state.pose, self._usual, self._spread)

    def _foreshortening(self, body18: Tensor, weights: Tensor) -> Tensor:
        """What limbs' angles to the picture cost, over all frames, where lengths are unknown.

        At the angle t a limb of length L looks L cos(t) long, so how often it looks so has the density p(t) / (L sin(t)): most
        often it looks nearly L long. Without that factor, limbs that always look alike are taken for longer ones that always
        point to the camera as much as is usual.
        """
        start, end = torch.tensor(ARM_AND_LEG_BONES).T
        limbs = body18[:, end] - body18[:, start]
        sine = limbs[..., 2].square() / limbs.square().sum(-1)
        cost = (sine + self.settings.flat**2).log() / 2
        return (cost * ((weights[:, start] > 0) & (weights[:, end] > 0))).sum()

    def _motion_cost(self, state: _State, joints: Tensor, local: Tensor, fps: float) -> Tensor:
        """Accelerations of the joints relative to the pelvis and of the place, turns, and changes of scale."""
        settings = self.settings
        places = joints[:, :NUM_JOINTS] + self._depthless_place(state)[:, None]
        accelerations = (
            ((places[2:] - 2 * places[1:-1] + places[:-2]) * fps**2 / settings.acceleration).square().sum(-1)
        )
        turns = ((local[1:] - local[:-1]) * fps / (settings.turn * 2**0.5)).square().sum((-2, -1))
        zooms = (state.scale[1:] - state.scale[:-1]) * fps / settings.zoom
        motion = sum(pseudo_huber(squared, settings.sudden).sum() for squared in (accelerations, turns))
        return (motion + zooms.square().sum()) / 2

    @staticmethod
    def _depthless_place(state: _State) -> Tensor:
        """Where the pelvis is, in metres (F, 3), without depth."""
        flat = state.translation * state.translation.new_tensor(FLIP) / state.scale.detach().exp().median()
        return torch.cat([flat, torch.zeros_like(flat[:, :1])], 1)

    def _coefficients(self, state: _State) -> BodyCoefficients:
        local = rotation_matrix(state.pose)
        root = rotation_vector(state.turn @ local[:, 0])
        pose = torch.cat([root[:, None], state.pose[:, 1:]], 1)
        return BodyCoefficients.complete(state.shape, state.bones.exp(), pose, state.scale.exp(), state.translation)


def known_joints(visibility: Tensor, share: float = 0.05) -> Tensor:
    """Joints (24,) whose turn the key points (T, 18) tell: those above a point that is seen often enough."""
    often = (visibility > 0).float().mean(0) >= share
    seen = torch.zeros(NUM_POINTS, dtype=torch.bool)
    for number in range(NUM_POINTS):
        marker = torch.zeros(NUM_POINTS, 1)
        marker[number] = 1
        seen[number] = bool((to_body18(marker)[:, 0] > 0.9)[often].any())
    known = torch.zeros(NUM_JOINTS, dtype=torch.bool)
    for number in range(NUM_POINTS - 1, 0, -1):
        if seen[number] or (number < NUM_JOINTS and known[number]):
            known[BONE_STARTS[number]] = True
    known[0] = True
    # Hands and feet are not among the key points: they go with the limb.
    for number in (7, 8, 10, 11, 20, 21, 22, 23):
        known[number] = known[PARENTS[number]]
    return known


__all__ = ["BodyFitSettings", "BodyFitter", "known_joints"]
