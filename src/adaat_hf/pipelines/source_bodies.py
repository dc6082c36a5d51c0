"""The body in every photograph of a person, and the photographs prepared so that its limbs are theirs."""

import numpy as np
import torch

from ..control.body_coefficients import BodyCoefficients
from ..control.body_fitting import BodyFitter
from .body_warnings import warn_if_no_body_is_shown
from .cut_off import continue_all
from .joint_places import settle_joints
from .persons import NoPersonError, SourcePerson


def fit_people(fitter: BodyFitter, people: list[SourcePerson]) -> tuple[list[SourcePerson], BodyCoefficients]:
    """Fit one body to photographs of the same person, and bring the photographs' key points in line with it.

    Args:
        fitter ([`BodyFitter`]): What fits it.
        people (`list[SourcePerson]`): The photographs.

    Returns:
        `tuple[list[SourcePerson], BodyCoefficients]`: the photographs, with limbs of the body's lengths ([`settle_joints`]) that go
        on beyond the border which cuts them off ([`continue_all`]), and the body, a frame for each, its proportions from all of them.
        Photographs that seem to show no body are reported.

    Raises:
        NoPersonError: if they show too little of the person.
    """
    points = torch.from_numpy(np.stack([person.pose.points for person in people]))
    seen = torch.from_numpy(np.stack([person.pose.visibility for person in people]))
    try:
        bodies = fitter.fit(points, seen, fps=None)
    except ValueError as error:
        raise NoPersonError(f"The source picture shows too little of a person: {error}") from error
    warn_if_no_body_is_shown(fitter.misfit(bodies, points, seen), fitter.settings.misfit)
    expected = bodies.project(fitter.model).numpy()
    settled = [settle_joints(*item) for item in zip(people, expected, strict=True)]
    return continue_all(settled, expected), bodies


__all__ = ["fit_people"]
