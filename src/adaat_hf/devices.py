"""Choose where the networks run."""

import torch


def best_device(name: str | None = None) -> torch.device:
    """The device of that name, or the fastest one of this machine.

    Raises:
        ValueError: if the name is unknown or the device is not there.
    """
    if name is None:
        if torch.accelerator.is_available():
            return torch.accelerator.current_accelerator() or torch.device("cpu")
        return torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"The device {name!r} cannot be used: {str(error).splitlines()[0]}") from error
    return device
