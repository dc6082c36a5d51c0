"""Settings of training runs that take seconds."""

from conftest import TINY

from adaat_hf.training.arguments import TrainingArguments


NETWORK = {**TINY, "skip_strides": [2]}


def arguments(packs, backbone, output, **changes):
    values = {
        "output_dir": str(output),
        "train_data": [str(packs)],
        "resolution": 64,
        "network": "compact",
        "model": NETWORK,
        "discriminator": {"channels": [4, 4, 4, 4]},
        "backbone": f"vgg16:{backbone / 'vgg16.safetensors'}",
        "perceptual_scales": [0.5],
        "perceptual_weight": 0.1,
        "pixel_weight": 10.0,
        "adversarial_weight": 0.1,
        "batch_size": 2,
        "max_steps": 4,
        "num_workers": 0,
        "learning_rate": 0.002,
        "checkpoint_steps": 2,
        "fitted_keypoints": 0.0,
        "logging_steps": 1,
        "ema_decay": 0.9,
        "checkpoints_kept": 5,
    }
    return TrainingArguments.from_dict({**values, **changes})


def person_arguments(pairs, backbone, output, **changes):
    model = {**TINY, "skip_strides": [1, 2]}
    values = {
        "task": "person",
        "network": "compact-person",
        "resolution": [96, 64],
        "fitted_keypoints": 0.0,
        "model": model,
    }
    return arguments(pairs, backbone, output, **{**values, **changes})
