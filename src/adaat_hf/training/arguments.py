"""Everything that a training run can be told, read from a YAML file."""

from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml

from ..models.configuration_adaat import AdaATConfig, AdaATDiscriminatorConfig


# Settings of one task that would have no effect on the other.
FOR_FACES = ("inner_face_weight", "eyes_mouth_weight", "mouth_interior_weight")
FOR_PERSONS = ("body_weight", "cut_off", "dyed")


@dataclass(kw_only=True)
class TrainingArguments:
    """
    Settings of a training run.

    Args that control the data:
        output_dir (`str`): Where checkpoints, logs and the trained model go.
        task (`str`): `"face"` (pairs of frames of a clip) or `"person"` (pairs of pictures of a person).
        train_data (`list[str]`): Folders of packs (`adaat prepare`), or of picture pairs (scripts/prepare_people.py).
        streaming (`bool`): Read `train_data` from front to back: packs or parquet files, also by pattern or address
            (`hf://datasets/org/name/train-00000.tar`); several shards per process and worker mix best.
        validation_data (`str`, *optional*): Such a folder with other identities.
        exclude (`list[str]`): Clips left out of the training data, by a part of their key.
        keep (`dict[str, list[str]]`): Facts that a training clip must have, such as `{tier: [A]}`.
        sampling (`dict[str, dict[str, float]]`): Relative frequency of clips by a fact, such as
            `{origin: {generated: 0.3}}`.
        resolution (`int` or `[int, int]`): Side of the pictures, or their height and width.
        augment (`bool`): Colour, mirror and placement changes, the same for source and driving picture.
        hard_pairs (`float`): Probability of choosing, among candidate driving frames, the one that differs most: of persons
            by the pose, of faces in half of the cases by its key points, otherwise by how far eyes and mouth are open.
        fitted_keypoints (`float`): Probability of using the face model's projection as driving key points.
        second_source (`float`): Share of batches with a second source picture; needs `model.multi_source`.
        dyed (`float`): Share of pairs of persons with quite different colours.
        cut_off (`float`): Share of pairs of persons that are enlarged to portraits, so that the border cuts bodies off.
    `exclude`, `keep`, `sampling` and `hard_pairs` are for clips, `fitted_keypoints` for faces, `dyed` and
    `cut_off` for persons.
    Args that control the model:
        network (`str`), model (`dict`): Preset and changed fields; see [`AdaATConfig.from_preset`].
        discriminator (`dict`): Fields of [`AdaATDiscriminatorConfig`].
        init_from (`str`, *optional*): Folder of a trained generator to start from; a discriminator beside it is taken too.
    Args that control the loss:
        backbone (`str`): `"vgg19"` (torchvision's weights) or `"vgg16:<safetensors file>"`.
        perceptual_weight, perceptual_scales: Weight of the perceptual loss and the picture scales that it sees.
        inner_face_weight (`float`): Weight of the perceptual loss on eyes to mouth at full resolution.
        lpips_weight (`float`), lpips_backbone (`str`, *optional*): LPIPS (AlexNet) as a loss, its weights file.
        pixel_weight (`float`): Weight of the L1 distance.
        adversarial_weight (`float`), adversarial_start (`int`): LSGAN weight, and the step at which it begins.
        eyes_mouth_weight (`float`): Additional weight of eyes and mouth in pixel and perceptual losses (faces).
        mouth_interior_weight (`float`): Weight of the L1 distance between the lips, where teeth are (faces).
        body_weight (`float`): The same for where the body is or was (persons).
    Args that control the optimisation:
        batch_size, gradient_accumulation_steps, max_steps, warmup_steps, seed, num_workers
        learning_rate, discriminator_learning_rate, adam_beta1, adam_beta2, max_grad_norm
        schedule (`str`): `"constant"`, `"linear"` or `"cosine"`, over `max_steps`; or `"half_linear"`: constant for the
            first half, then linear to 0, as the authors' code.
        mixed_precision (`str`): `"no"`, `"bf16"` or `"fp16"`.
        ema_decay (`float`): Decay of the weights' moving average; 0 turns it off.
        channels_last, compile (`bool`): Memory layout; `torch.compile` of the generator.
        time_limit (`float`, *optional*): Minutes after which the run saves a checkpoint and ends.
        stages (`list[dict]`): Settings that differ from stage to stage, coarse to fine; see [`train_stages`].
    Args that control saving and logging:
        checkpoint_steps, checkpoints_kept, validation_steps, logging_steps, log_with
    """

    output_dir: str
    train_data: list[str]
    task: Literal["face", "person"] = "face"
    streaming: bool = False
    validation_data: str | None = None
    exclude: list[str] = field(default_factory=list)
    keep: dict[str, Any] = field(default_factory=dict)
    sampling: dict[str, Any] = field(default_factory=dict)
    resolution: int | list[int] = 256
    augment: bool = True
    hard_pairs: float = 0.5
    fitted_keypoints: float = 0.25
    second_source: float = 0.0
    dyed: float = 0.0
    cut_off: float = 0.0

    network: str = "compact"
    model: dict[str, Any] = field(default_factory=dict)
    discriminator: dict[str, Any] = field(default_factory=dict)
    init_from: str | None = None

    backbone: str = "vgg19"
    perceptual_weight: float = 5.0
    perceptual_scales: list[float] = field(default_factory=lambda: [1.0, 0.5])
    inner_face_weight: float = 0.0
    lpips_weight: float = 0.0
    lpips_backbone: str | None = None
    pixel_weight: float = 0.0
    adversarial_weight: float = 1.0
    adversarial_start: int = 0
    eyes_mouth_weight: float = 0.0
    mouth_interior_weight: float = 0.0
    body_weight: float = 0.0

    batch_size: int = 8
    gradient_accumulation_steps: int = 1
    max_steps: int = 100_000
    warmup_steps: int = 0
    seed: int = 0
    num_workers: int = 1
    learning_rate: float = 1.0e-4
    discriminator_learning_rate: float = 1.0e-4
    adam_beta1: float = 0.5
    adam_beta2: float = 0.999
    max_grad_norm: float = 0.0
    schedule: Literal["constant", "linear", "cosine", "half_linear"] = "constant"
    mixed_precision: Literal["no", "bf16", "fp16"] = "no"
    ema_decay: float = 0.0
    channels_last: bool = False
    compile: bool = False
    time_limit: float | None = None
    stages: list[dict[str, Any]] = field(default_factory=list)

    checkpoint_steps: int = 1000
    checkpoints_kept: int = 2
    validation_steps: int = 1000
    logging_steps: int = 50
    log_with: Literal["tensorboard", "wandb", "trackio", "none"] = "tensorboard"

    def __post_init__(self) -> None:
        # YAML 1.1 reads an unquoted `no` as false.
        if self.mixed_precision is False:
            self.mixed_precision = "no"
        for item in fields(self):
            self._check(item.name, getattr(self, item.name), item.type)
        for prefix, kind in (("model", AdaATConfig), ("discriminator", AdaATDiscriminatorConfig)):
            _refuse_unknown(getattr(self, prefix), set(kind.__annotations__) - {"model_type"}, f"{prefix}.")
        if self.batch_size < 1 or self.max_steps < 1:
            raise ValueError(f"batch_size is {self.batch_size} and max_steps {self.max_steps}, expected at least 1.")
        if self.lpips_weight and self.lpips_backbone is None:
            raise ValueError("lpips_weight is set, so lpips_backbone must name the AlexNet weights.")
        if isinstance(self.resolution, list) and len(self.resolution) != 2:
            raise ValueError(f"resolution is {self.resolution}, expected a number or [height, width].")
        if self.task == "face" and isinstance(self.resolution, list):
            raise ValueError(f"resolution is {self.resolution}, but faces are square: expected one number.")
        for name in FOR_FACES if self.task == "person" else FOR_PERSONS:
            if getattr(self, name):
                raise ValueError(f"{name} is {getattr(self, name)}, but the task is {self.task!r}, which has none.")
        least = AdaATDiscriminatorConfig(**self.discriminator).least_size
        if self.adversarial_weight and min(self.size) < least:
            raise ValueError(f"resolution is {self.resolution}, but the discriminator needs at least {least} pixels.")
        if any(stage.mixed_precision != self.mixed_precision for stage in self.each_stage()):
            raise ValueError("stages: a stage changes mixed_precision, which Accelerate keeps for the whole process.")
        if self.streaming and (self.second_source or self.sampling):
            raise ValueError("second_source and sampling need the data at random: they do not go with streaming.")

    def _check(self, name: str, value: Any, kind: Any) -> None:
        allowed = get_args(kind)
        if get_origin(kind) is Literal and value not in allowed:
            raise ValueError(f"{name} is {value!r}, expected one of {list(allowed)}.")
        if kind in (int, float) and (isinstance(value, (bool, str)) or not isinstance(value, (int, float))):
            raise ValueError(f"{name} is {value!r}, expected a number (YAML reads 1e-3 as text: write 1.0e-3).")
        if kind is int and value != int(value):
            raise ValueError(f"{name} is {value!r}, expected a whole number.")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pictures."""
        if isinstance(self.resolution, list):
            return self.resolution[0], self.resolution[1]
        return self.resolution, self.resolution

    @classmethod
    def from_yaml(cls, path: str | Path, preset: str | None = None, **overrides: Any) -> "TrainingArguments":
        """Read a YAML file.

        Args:
            path (`str` or `Path`): The file.
            preset (`str`, *optional*): Which of the file's `presets` to add to its other values.
            overrides: Replace values; those that are mappings (such as `model`) key by key.

        Raises:
            ValueError: if the file has presets and none of them is named, a key is unknown or a value has the wrong type.
        """
        with open(path, encoding="utf-8") as file:
            values = yaml.safe_load(file) or {}
        presets = values.pop("presets", {})
        if preset not in (presets or {None}):
            raise ValueError(f"The preset is {preset!r}, but {str(path)!r} has {sorted(presets) or 'none'}.")
        return cls.from_dict(_merged(_merged(values, presets.get(preset, {})), overrides))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TrainingArguments":
        """Build from a dictionary; an unknown key is an error that names the nearest known one."""
        _refuse_unknown(values, {item.name for item in fields(cls)})
        missing = {"output_dir", "train_data"} - values.keys()
        if missing:
            raise ValueError(f"The training settings lack {sorted(missing)}.")
        return cls(**values)

    def each_stage(self) -> list["TrainingArguments"]:
        """The settings of every stage; of the run itself if it has none."""
        if not self.stages:
            return [self]
        base = {**self.to_dict(), "stages": []}
        found: list[TrainingArguments] = []
        for number, changes in enumerate(self.stages, 1):
            place = {"output_dir": str(Path(self.output_dir) / f"stage-{number}")}
            if found:
                place["init_from"] = str(Path(found[-1].output_dir) / "generator")
            found.append(TrainingArguments.from_dict({**_merged(base, changes), **place}))
        return found

    def to_dict(self) -> dict[str, Any]:
        """All settings, for records."""
        return asdict(self)


def _refuse_unknown(values: Iterable[str], known: Iterable[str], prefix: str = "") -> None:
    for key in values:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            advice = f"; did you mean {prefix + near[0]!r}?" if near else "."
            raise ValueError(f"There is no training setting {prefix + key!r}{advice}")


def _merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`values` with `changes`; where both are mappings, key by key."""
    merged = dict(values)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(values.get(key), dict)
        merged[key] = {**values[key], **value} if both else value
    return merged


def add_settings_option(parser: ArgumentParser) -> None:
    """Add the option `--set` of a training script, whose values are for [`parse_settings`]."""
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="replace settings of the file"
    )


def parse_settings(texts: Sequence[str]) -> dict[str, Any]:
    """Overrides for [`TrainingArguments.from_yaml`] from texts such as `max_steps=300` or `model.alignment=none`.

    Raises:
        ValueError: if a text has no `=`.
    """
    settings: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"The setting is {text!r}, expected KEY=VALUE.")
        outer, dot, inner = key.partition(".")
        parsed = yaml.safe_load(value)
        if dot:
            settings.setdefault(outer, {})[inner] = parsed
        else:
            settings[outer] = parsed
    return settings
