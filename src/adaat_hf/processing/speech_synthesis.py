"""Text to speech through a transformers model of the user's choice."""

import numpy as np


MAX_CHARACTERS = 20_000


def synthesize_speech(text: str, model: str, seed: int = 0) -> tuple[np.ndarray, int]:
    """Speak a text.

    Args:
        text (`str`): What to say.
        model (`str`): Hub id or folder of a transformers text-to-speech model, such as `"facebook/mms-tts-eng"`.
        seed (`int`, *optional*, defaults to 0): Models that draw their intonation draw the same again.

    Returns:
        `tuple[np.ndarray, int]`: mono samples (N,), float32, and their rate in Hz.

    Raises:
        ValueError: if the text is empty or too long, or the model cannot be loaded or says nothing.
    """
    check_text(text)
    from transformers import pipeline, set_seed

    try:
        speaker = pipeline("text-to-audio", model=model)
    except (OSError, KeyError, ImportError) as error:
        raise ValueError(f"The text-to-speech model {model!r} cannot be loaded: {error}") from error
    set_seed(seed)
    spoken = speaker(text)
    samples = np.asarray(spoken["audio"], np.float32)
    samples = (
        samples.reshape(-1)
        if 1 in samples.shape or samples.ndim == 1
        else samples.mean(int(samples.shape[0] > samples.shape[1]))
    )
    if not len(samples) or not np.isfinite(samples).all():
        raise ValueError(f"The text-to-speech model {model!r} made no sound of the text.")
    return samples / max(1.0, float(np.abs(samples).max())), int(spoken["sampling_rate"])


def check_text(text: str) -> None:
    """Raise `ValueError` unless there is something to say."""
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"The text is {text!r}, expected at least one word.")
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"The text has {len(text)} characters, expected at most {MAX_CHARACTERS}.")
