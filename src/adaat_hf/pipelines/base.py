"""What all AdaAT pipelines share: loading and dispatch, devices, and painting frames in batches."""

import inspect
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from huggingface_hub import snapshot_download
from huggingface_hub.constants import ENDPOINT
from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import PreTrainedModel

from ..bundled import bundled_path
from ..inference.batching import poses_at_once
from ..inference.files import component_files
from ..inference.folding import fold_batch_norm
from ..inference.graph_networks import open_network
from ..inference.graph_painter import GraphPainter
from ..inference.painter import Painter, PaintingOptions, open_painter
from ..inference.runtimes import RUNTIMES
from ..models.limb_warp import PreparedSources, prepare_layers
from ..models.modeling_adaat import AdaATGenerator, AdaATGeneratorOutput
from ..models.modeling_landmarker import AdaATLandmarker
from ..processing.image_processing_adaat import OUTPUT_TYPES, to_uint8
from ..processing.images import ImageInput
from ..video import check_writable


logger = logging.getLogger(__name__)


class AdaATPipeline(DiffusionPipeline):
    """Base of the AdaAT pipelines; `AdaATPipeline.from_pretrained` returns the class that a repository names.

    Repositories are Hub ids (`"org/name"`), folders, or `"bundled/face"`, which ships with the package and needs no
    network.

    Example:
    ```python
    >>> from adaat_hf import AdaATPipeline

    >>> pipe = AdaATPipeline.from_pretrained("bundled/face")
    >>> type(pipe).__name__
    'FaceReenactmentPipeline'
    ```"""

    generator: AdaATGenerator
    _painting = PaintingOptions()
    _painter: tuple[Any, Painter] | None = None
    _given_painter: Painter | None = None
    _networks: dict[str, tuple[Any, Any]] | None = None

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | PathLike[Any], **kwargs: Any) -> "AdaATPipeline":
        """Load a pipeline.

        Args:
            pretrained_model_name_or_path (`str` or `Path`): Hub id, folder, or `"bundled/<name>"`.
            dtype (`torch.dtype`, *optional*, defaults to `torch.float32`): Type of the weights.
            variant (`str`, *optional*): Weights' file variant; `variant="fp16"` goes with `dtype=torch.float16`.
            backend (`str`, *optional*): What paints; see [`~AdaATPipeline.optimize`].
            kwargs: Further arguments of `DiffusionPipeline.from_pretrained`, components among them.

        Raises:
            ValueError: if the repository names no AdaAT pipeline, or a component is missing.
        """
        repository = bundled_path(pretrained_model_name_or_path) or pretrained_model_name_or_path
        backend = kwargs.pop("backend", "auto")
        painting = PaintingOptions(backend)
        kwargs.setdefault("dtype", kwargs.pop("torch_dtype", None) or torch.float32)
        if "custom_pipeline" in kwargs:
            return super().from_pretrained(repository, **kwargs)
        hub = {name: kwargs[name] for name in _HUB_ARGUMENTS if name in kwargs}
        painting = replace(painting, folder=_graphs_folder(repository, backend, hub))
        index = _load_index(cls, repository, hub)
        target = _named_class(index, repository) if cls is AdaATPipeline else cls
        wanted = _wanted_components(target, index, kwargs)
        for name in wanted:
            if name not in index:
                raise ValueError(f"{str(repository)!r} has no component {name!r}, which {target.__name__} needs.")
        for name, component in wanted.items():
            kwargs[name] = _load_component(component, repository, name, hub, kwargs)
        pipe = super(AdaATPipeline, target).from_pretrained(repository, **kwargs)
        pipe._painting = painting
        return pipe

    def optimize(
        self, backend: str = "auto", *, dtype: torch.dtype | str | None = None, compile: bool = False
    ) -> "AdaATPipeline":
        """Choose how frames are painted. Without this call they are painted by [`InferencePlan`] in the generator's own type,
        on the CPU through OpenVINO where it is installed; all of that is exact up to rounding.

        Args:
            backend, compile (*optional*): See [`PaintingOptions`].
            dtype (`torch.dtype` or `"auto"`, *optional*): See [`PaintingOptions`]; on a GPU, and on processors that multiply
                bfloat16, `"auto"` tries bfloat16, then float16, on a probe, and returns to 32 bits should a picture ever not be
                finite.

        Returns:
            The pipeline itself.

        Raises:
            ValueError: if there is no such backend, or it cannot paint on the pipeline's device.
            ImportError: if the backend's package is missing.
        """
        before = self._painting
        self._painting = PaintingOptions(backend, dtype, compile, before.folder)
        try:
            self.painter()
        except (ValueError, ImportError):
            self._painting = before
            raise
        return self

    def paint_with(self, painter: Painter | None) -> None:
        """Let a given painter paint, whatever [`~AdaATPipeline.optimize`] has chosen; `None` takes it away again."""
        self._given_painter = painter

    def painter(self) -> Painter:
        """What paints, as [`~AdaATPipeline.optimize`] has chosen; made when it is first asked for and when the weights change."""
        if self._given_painter is not None:
            return self._given_painter
        device, generator = self._execution_device, self.generator
        state = (self._painting, device, _state(generator))
        if self._painter is None or self._painter[0] != state:
            self._painter = state, open_painter(generator, self._painting, device)
        return self._painter[1]

    def network(self, name: str) -> Any:
        """A component (`"landmarker"`, `"motion_model"`, ...) as it is run: on the pipeline's device, or its exported graph where
        another runtime paints and the pipeline's folder has one."""
        component, painter = getattr(self, name), self.painter()
        state = (id(painter), self._execution_device, _state(component))
        self._networks = self._networks or {}
        if self._networks.get(name, (None,))[0] != state:
            self._networks[name] = state, self._runnable(name, component, painter)
        return self._networks[name][1]

    def _runnable(self, name: str, component: Any, painter: Painter) -> Any:
        if isinstance(painter, GraphPainter):
            graphs = component_files(painter.store, name, component)
            if graphs:
                return open_network(component, painter.runtime, graphs)
        return self._as_module(component)

    def _as_module(self, component: Any) -> Any:
        """A component as torch runs it, on the pipeline's device."""
        component = component.to(self._execution_device)
        if isinstance(component, AdaATLandmarker) and not hasattr(component, "_hf_hook"):
            return fold_batch_norm(component)
        return component

    def push_to_hub(  # type: ignore[override]  # diffusers' own writes another card over ours
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        token: str | None = None,
        revision: str | None = None,
        commit_message: str | None = None,
        fp16: bool = False,
    ) -> str:
        """Upload the pipeline with its card and entry files; see [`publish`] for the arguments.

        Returns:
            `str`: Address of the commit.
        """
        from ..hub.publishing import publish

        return publish(
            self, repo_id, private=private, token=token, revision=revision, message=commit_message, fp16=fp16
        )

    def check_request(
        self,
        sources: Sequence[ImageInput],
        batch_size: int | None,
        output: str | PathLike[str] | None,
        output_type: str,
        names: list[str],
    ) -> None:
        """Raise `ValueError` for arguments that would fail later, before anything expensive happens."""
        if output_type not in OUTPUT_TYPES:
            raise ValueError(f"output_type is {output_type!r}, expected one of {OUTPUT_TYPES}.")
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}, expected at least 1.")
        if output is not None:
            check_writable(Path(output))
            if len(sources) != 1:
                raise ValueError(f"output takes one source picture, but {len(sources)} were given.")
        unknown = set(names) - set(self._callback_tensor_inputs)
        if unknown:
            raise ValueError(f"Callbacks can get {self._callback_tensor_inputs}, but not {sorted(unknown)}.")

    def _bar_settings(self) -> dict[str, Any]:
        return dict(getattr(self, "_progress_bar_config", {}))

    @torch.no_grad()
    def read_subject(
        self, source: Tensor, source_keypoints: Tensor, source_visibility: Tensor | None = None
    ) -> tuple[Painter, Any]:
        """What paints, and what it computes once of a subject: S pictures (S, 3, H, W) with key points (S, K, 2); see
        [`~AdaATPipeline.paint_outputs`]."""
        device, count = self._execution_device, self.generator.config.num_keypoints
        painter = self.painter()
        seen = None if source_visibility is None else source_visibility[:, :count].to(device)
        pictures = source.to(device, self.generator.dtype)
        return painter, painter.read_source(pictures, source_keypoints[:, :count].to(device), seen)

    def paint(
        self, source: Tensor, source_keypoints: Tensor, driving_keypoints: Tensor, batch_size: int | None = None
    ) -> Iterator[np.ndarray]:
        """Paint one source picture in many poses; see [`paint_tensors`], without visibility.

        Yields:
            `np.ndarray` of shape (B, H, W, 3), uint8: the frames of each batch.
        """
        for images in self.paint_tensors(source, source_keypoints, driving_keypoints, batch_size=batch_size):
            yield to_uint8(images.permute(0, 2, 3, 1).numpy())

    def paint_tensors(self, *args: Any, **kwargs: Any) -> Iterator[Tensor]:
        """The pictures (B, 3, H, W) of [`~AdaATPipeline.paint_outputs`] in [0, 1], float32, on the CPU."""
        for found in self.paint_outputs(*args, **kwargs):
            assert found.images is not None
            yield found.images.float().clamp(0, 1).cpu()

    @torch.no_grad()
    def paint_outputs(
        self,
        source: Tensor,
        source_keypoints: Tensor,
        driving_keypoints: Tensor,
        source_visibility: Tensor | None = None,
        driving_visibility: Tensor | None = None,
        batch_size: int | None = None,
        prepared: PreparedSources | None = None,
    ) -> Iterator[AdaATGeneratorOutput]:
        """Paint a subject in many poses.

        Args:
            source (`Tensor` of shape (3, H, W) or (S, 3, H, W)): Picture, or several of the same subject, RGB in [0, 1].
            source_keypoints (`Tensor` of shape (K, 2) or (S, K, 2)): In [-1, 1].
            driving_keypoints (`Tensor` of shape (T, K, 2)): In [-1, 1].
            source_visibility, driving_visibility (`Tensor`, *optional*): As the key points, without their last dimension.
            batch_size (`int`, *optional*): Poses per pass; by default as many as are fast and leave half of the free memory. Fewer
                from the moment on when memory does not suffice.
            prepared ([`PreparedSources`], *optional*): What was made once of the sources of a body (see [`prepare_sources`]).

        Yields:
            [`AdaATGeneratorOutput`]: what the network returns for each batch.
        """
        device, dtype = self._execution_device, self.generator.dtype
        count = self.generator.config.num_keypoints
        if source.ndim == 3:
            source, source_keypoints = source[None], source_keypoints[None]
            source_visibility = None if source_visibility is None else source_visibility[None]
        painter, subject = self.read_subject(source, source_keypoints, source_visibility)
        if prepared is None and self.generator.config.moves_limbs:
            prepared = prepare_layers(source, source_keypoints, source_visibility)
        ready = None if prepared is None else prepared.to(device, dtype)
        height, width = source.shape[2:]
        size = batch_size or poses_at_once(self.generator.config, height, width, dtype, device, len(source))
        start = 0
        while start < len(driving_keypoints):
            poses = driving_keypoints[start : start + size, :count].to(device)
            shown = None
            if driving_visibility is not None:
                shown = driving_visibility[start : start + size, :count].to(device)
            try:
                found = painter(subject, poses, shown, ready)
            except torch.OutOfMemoryError:
                if len(poses) == 1:
                    raise
                size = len(poses) // 2
                logger.warning(
                    "The memory of %s does not suffice for %d frames at once; going on with %d.",
                    device,
                    len(poses),
                    size,
                )
                continue
            yield found
            start += len(poses)


def _state(module: nn.Module) -> tuple[Any, ...]:
    """What tells whether a module has changed: its hooks, and identity, content and place of its values."""
    values = [*module.parameters(), *module.buffers()]
    return hasattr(module, "_hf_hook"), [(id(value), value._version, value.device, value.dtype) for value in values]


_HUB_ARGUMENTS = ("cache_dir", "force_download", "local_files_only", "proxies", "revision", "token")


def _load_index(cls: type[AdaATPipeline], repository: str | PathLike[Any], hub: dict[str, Any]) -> dict[str, Any]:
    try:
        return cast(dict[str, Any], cls.load_config(repository, **hub))
    except OSError as error:
        causes = [error, error.__cause__, error.__context__]
        if any(isinstance(cause, RepositoryNotFoundError) for cause in causes) or "not a valid model" in str(error):
            raise ValueError(
                f"{str(repository)!r} was not found: it is no folder, and on the Hub it does not exist or is private. For a "
                "private repository log in with `hf auth login`, or pass token=..."
            ) from error
        if any(isinstance(cause, LocalEntryNotFoundError) for cause in causes):
            raise ValueError(
                f"{str(repository)!r} is not in the cache, and {ENDPOINT} cannot be reached (or HF_HUB_OFFLINE is set)."
            ) from error
        raise


def _graphs_folder(repository: str | PathLike[Any], backend: str, hub: dict[str, Any]) -> Path | None:
    """The pipeline's folder; of one on the Hub, its graphs are fetched if they are asked for."""
    if Path(repository).is_dir():
        return Path(repository)
    if backend not in RUNTIMES:
        return None
    return Path(snapshot_download(str(repository), allow_patterns=[f"{backend}/*"], **hub))


def _named_class(index: dict[str, Any], repository: str | PathLike[Any]) -> type[AdaATPipeline]:
    named = index.get("_class_name")
    name = named[-1] if isinstance(named, list) else named
    known = {pipeline.__name__: pipeline for pipeline in _subclasses(AdaATPipeline)}
    if name not in known:
        raise ValueError(f"{str(repository)!r} is a {name!r}, expected one of {sorted(known)}.")
    return known[name]


def _subclasses(cls: type[AdaATPipeline]) -> list[type[AdaATPipeline]]:
    return [found for child in cls.__subclasses__() for found in [child, *_subclasses(child)]]


def _component_classes(target: type[AdaATPipeline]) -> dict[str, Any]:
    """The annotated components of a pipeline's constructor."""
    found = {}
    for name, parameter in inspect.signature(target.__init__).parameters.items():
        candidates = [parameter.annotation, *getattr(parameter.annotation, "__args__", ())]
        for candidate in candidates:
            if inspect.isclass(candidate) and hasattr(candidate, "from_pretrained"):
                found[name] = candidate
                break
    return found


def _wanted_components(target: type[AdaATPipeline], index: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Components to load: those that are not given, without optional ones that the repository lacks."""
    return {
        name: component
        for name, component in _component_classes(target).items()
        if name not in given and not (name in target._optional_components and index.get(name, [None])[0] is None)
    }


def _load_component(
    component: Any, repository: str | PathLike[Any], name: str, hub: dict[str, Any], kwargs: dict[str, Any]
) -> Any:
    options = dict(hub)
    if issubclass(component, PreTrainedModel):
        options |= {"dtype": kwargs["dtype"], "variant": kwargs.get("variant")}
    try:
        return component.from_pretrained(repository, subfolder=name, **options)
    except SafetensorError as error:
        raise ValueError(
            f"The weights of the component {name!r} of {str(repository)!r} are damaged ({error}). If they were downloaded, "
            "load them again with force_download=True."
        ) from error
    except (OSError, json.JSONDecodeError) as error:
        raise ValueError(f"The component {name!r} of {str(repository)!r} cannot be loaded: {error}") from error
