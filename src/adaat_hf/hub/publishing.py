"""Upload a pipeline: weights, index, card, and the entry files for `diffusers` alone."""

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from huggingface_hub import HfApi
from huggingface_hub.errors import HFValidationError, HTTPError
from transformers import PreTrainedModel

from ..bundled import bundled_path
from .cards import TASKS, card_text, make_card


if TYPE_CHECKING:
    from ..pipelines.base import AdaATPipeline

LIBRARY = "adaat_hf"
INDEX, CARD, ENTRY = "model_index.json", "README.md", "pipeline.py"
# What an upload replaces: files of an earlier version that the new one lacks are deleted, all others stay.
OURS = ["*.safetensors", "*.json", "*.py"]


class PublishError(ValueError):
    """A pipeline cannot be published; the message says why."""


def entry_files(index: dict[str, Any]) -> dict[str, str]:
    """Files by which `DiffusionPipeline.from_pretrained(..., custom_pipeline=...)` finds the classes of this package.

    Args:
        index (`dict`): Content of `model_index.json`.

    Returns:
        `dict[str, str]`: Contents by path in the repository.
    """
    name = str(index["_class_name"])
    task = TASKS[name].folder.replace("_", " ")
    files = {
        ENTRY: f'"""Entry file of a {task} repository; the class comes from the package `adaat-hf`."""\n\n'
        f'from adaat_hf import {name}\n\n\n__all__ = ["{name}"]\n'
    }
    # All alike: diffusers copies them to one place in its cache.
    component = f'"""The classes come from the package `adaat-hf`."""\n\nfrom {LIBRARY} import *  # noqa: F403\n'
    for part, found in index.items():
        if isinstance(found, list) and found and found[0] == LIBRARY:
            files[f"{part}/{LIBRARY}.py"] = component
    return files


def prepare_repository(
    source: "AdaATPipeline | str | Path", folder: Path, repository: str, fp16: bool = False
) -> None:
    """Fill an empty folder with what stands in the repository.

    Args:
        source ([`AdaATPipeline`], `str` or `Path`): The pipeline, its folder, or `"bundled/<name>"`.
        folder (`Path`): Where to write.
        repository (`str`): Its name on the Hub, which the card shows.
        fp16 (`bool`, *optional*, defaults to `False`): Add a variant with 16-bit weights.

    Raises:
        PublishError: if the source is no pipeline of this package.
    """
    if isinstance(source, (str, Path)):
        _copy_folder(bundled_path(source) or Path(source), folder)
    else:
        source.save_pretrained(folder)
    index = _read_index(folder)
    if fp16:
        _add_variant(folder, index)
    for name, content in entry_files(index).items():
        (folder / name).write_text(content, encoding="utf-8")
    if not (folder / CARD).exists():
        (folder / CARD).write_text(card_text(make_card(index["_class_name"], repository)), encoding="utf-8")


def publish(
    source: "AdaATPipeline | str | Path",
    repository: str,
    *,
    private: bool | None = None,
    token: str | None = None,
    revision: str | None = None,
    message: str | None = None,
    fp16: bool = False,
    card: str | None = None,
) -> str:
    """Upload a pipeline to the Hub.

    Args:
        source ([`AdaATPipeline`], `str` or `Path`): The pipeline, its folder, or `"bundled/<name>"`.
        repository (`str`): `"organisation/name"`; made if it does not exist.
        private (`bool`, *optional*): Whether a new repository is private; your organisation's default otherwise.
        token (`str`, *optional*): Access token; the one of `hf auth login` by default.
        revision (`str`, *optional*): Branch, made if it does not exist; `main` by default.
        message (`str`, *optional*): Commit message.
        fp16 (`bool`, *optional*, defaults to `False`): Add a variant with 16-bit weights (`variant="fp16"`).
        card (`str`, *optional*): The card's text, instead of the folder's `README.md` or a generated one.

    Returns:
        `str`: Address of the commit.

    Raises:
        PublishError: if the source is no pipeline, or the Hub refuses.
    """
    with TemporaryDirectory(prefix="adaat-push-") as name:
        folder = Path(name)
        prepare_repository(source, folder, repository, fp16)
        if card is not None:
            (folder / CARD).write_text(card, encoding="utf-8")
        api = HfApi(token=token)
        try:
            api.create_repo(repository, private=private, exist_ok=True)
            if revision is not None:
                api.create_branch(repository, branch=revision, exist_ok=True)
            commit = api.upload_folder(
                repo_id=repository, folder_path=folder, revision=revision, delete_patterns=OURS,
                commit_message=message or "Upload with adaat_hf",
            )  # fmt: skip
        except (HTTPError, HFValidationError, OSError) as error:
            raise PublishError(f"{repository!r} cannot be uploaded to {api.endpoint}: {error}") from error
    return str(commit.commit_url)


def _copy_folder(source: Path, folder: Path) -> None:
    if not (source / INDEX).is_file():
        raise PublishError(f"{str(source)!r} is no pipeline folder: it has no {INDEX}.")
    ignore = shutil.ignore_patterns("__pycache__", ".*")
    shutil.copytree(source, folder, dirs_exist_ok=True, ignore=ignore)


def _read_index(folder: Path) -> dict[str, Any]:
    index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    if index.get("_class_name") not in TASKS:
        raise PublishError(f"The pipeline is {index.get('_class_name')!r}, expected one of {sorted(TASKS)}.")
    return index


def _add_variant(folder: Path, index: dict[str, Any]) -> None:
    """Write every network as 16-bit and as 32-bit weights; the latter last, whose `config.json` a plain load reads."""
    import adaat_hf

    for part, found in index.items():
        kind = getattr(adaat_hf, found[1], None) if isinstance(found, list) and found and found[0] == LIBRARY else None
        if kind is not None and issubclass(kind, PreTrainedModel):
            models = {
                dtype: kind.from_pretrained(folder / part, dtype=dtype) for dtype in (torch.float16, torch.float32)
            }
            models[torch.float16].save_pretrained(folder / part, variant="fp16")
            models[torch.float32].save_pretrained(folder / part)
