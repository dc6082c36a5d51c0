"""The generator and discriminator of a run, new or from an earlier stage."""

import json
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from transformers import get_scheduler

from ..evaluation.generators import generator_folder
from ..models.configuration_adaat import AdaATConfig, AdaATDiscriminatorConfig
from ..models.modeling_adaat import AdaATGenerator
from ..models.modeling_discriminator import AdaATDiscriminator
from .arguments import TrainingArguments


def build_generator(args: TrainingArguments) -> AdaATGenerator:
    """A new generator, or the one that `args.init_from` names, as 32-bit floats in training mode.

    Raises:
        ValueError: if `init_from` holds no generator, or another one than `network` and `model` ask for.
    """
    if args.init_from is None:
        return AdaATGenerator(AdaATConfig.from_preset(args.network, **args.model)).train()
    folder = generator_folder(args.init_from)
    if not (folder / "config.json").is_file():
        raise ValueError(
            f"init_from is {args.init_from!r}, but there is no generator (config.json) in {str(folder)!r}."
        )
    generator = AdaATGenerator.from_pretrained(folder, dtype=torch.float32).train()
    # Other fields of `model` would be without effect; these may change between stages.
    for name, value in args.model.items():
        found = getattr(generator.config, name, None)
        if found != value and not (isinstance(value, list) and list(found or ()) == value):
            raise ValueError(f"model.{name} is {value!r}, but the network in {str(folder)!r} has {found!r}.")
    return generator


def build_discriminator(args: TrainingArguments, config: AdaATConfig) -> AdaATDiscriminator:
    """A new discriminator for the generator's key points, or the one of the earlier stage if it is alike."""
    settings = {
        "num_keypoints": config.num_keypoints,
        "heatmap_variance": config.heatmap_variance,
        **args.discriminator,
    }
    wanted = AdaATDiscriminatorConfig(**settings)
    if args.init_from is not None:
        folder = generator_folder(args.init_from).parent / "discriminator"
        if (folder / "config.json").is_file():
            found = AdaATDiscriminatorConfig.from_pretrained(folder)
            if fields_of(found) == fields_of(wanted):
                return AdaATDiscriminator.from_pretrained(folder, dtype=torch.float32).train()
    return AdaATDiscriminator(wanted).train()


def fields_of(config: AdaATConfig | AdaATDiscriminatorConfig) -> dict[str, Any]:
    """What a configuration says of the network, in the form that json gives back (lists for tuples)."""
    names = set(type(config).__annotations__) - {"model_type"}
    return json.loads(json.dumps({name: getattr(config, name) for name in sorted(names)}))


def make_scheduler(args: TrainingArguments, optimizer: Optimizer) -> LRScheduler:
    """The learning rate over the run."""
    if args.schedule == "half_linear":
        half = args.max_steps // 2
        kinds = {"num_decay_steps": args.max_steps - half, "decay_type": "linear"}
        return get_scheduler("warmup_stable_decay", optimizer, args.warmup_steps, args.max_steps, kinds)
    name = "constant_with_warmup" if args.schedule == "constant" else args.schedule
    return get_scheduler(name, optimizer, args.warmup_steps, args.max_steps)


def make_adam(args: TrainingArguments, model: nn.Module, learning_rate: float) -> torch.optim.Adam:
    """The paper's optimiser."""
    return torch.optim.Adam(model.parameters(), learning_rate, (args.adam_beta1, args.adam_beta2))
