"""The requests and their answers."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

from fastapi import FastAPI, File, Form, Request, UploadFile
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel
from starlette.background import BackgroundTask

from ..processing.images import IMAGE_SUFFIXES
from ..serving.checks import check_length
from ..serving.limits import ServingLimits
from ..serving.messages import without_folders
from ..serving.studio import Studio
from .body_limit import BodyLimit
from .jobs import Busy, Jobs, TooSlow
from .uploads import BODY_MOTION_SUFFIXES, FACE_MOTION_SUFFIXES, POSE_SUFFIXES, SOUND_SUFFIXES, VIDEO_SUFFIXES, store


Strength = Annotated[float, Form(ge=0, le=2)]
Photo = Annotated[UploadFile, File(description="Photograph (jpg, png, webp, ...)")]


class Health(BaseModel):
    """State of the service."""

    status: Literal["ok"] = "ok"
    device: str
    max_seconds: float
    max_megabytes: int


class Problem(BaseModel):
    """What is wrong with a request, for a person; or a list of what is wrong with its fields."""

    detail: Any


PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The request cannot be read"},
    413: {"model": Problem, "description": "The request is too large"},
    415: {"model": Problem, "description": "A file is of the wrong kind"},
    422: {"model": Problem, "description": "A file or a field cannot be used"},
    503: {"model": Problem, "description": "Too many requests are waiting"},
    504: {"model": Problem, "description": "The run took too long"},
}
VIDEO: dict[int | str, dict[str, Any]] = {
    200: {"content": {"video/mp4": {"schema": {"type": "string", "format": "binary"}}}, "description": "The video"}
}
PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}, "description": "The picture"}
}


def build_api(studio: Studio, limits: ServingLimits | None = None) -> FastAPI:
    """Build the service; every file that it returns is marked as synthetic.

    Args:
        studio ([`Studio`]): The pipelines.
        limits ([`ServingLimits`], *optional*): Sizes, lengths, times and waiting requests.
    """
    allowed = limits or ServingLimits()
    api = FastAPI(
        title="adaat_hf",
        version="1",
        description="Bring a still picture of a face or a person to life. Results are marked as synthetic media.",
    )
    api.add_middleware(BodyLimit, max_bytes=allowed.max_upload_megabytes << 20)
    _answer_problems(api)
    service = Service(studio, allowed)

    @api.get("/health")
    def health() -> Health:
        """Whether the service runs, where, and what it takes."""
        return Health(
            device=studio.device, max_seconds=allowed.max_seconds, max_megabytes=allowed.max_upload_megabytes
        )

    for path, call, answers in (
        ("/v1/reenact", service.reenact, VIDEO),
        ("/v1/talk", service.talk, VIDEO),
        ("/v1/pose", service.pose, VIDEO),
        ("/v1/person", service.person, PICTURE),
    ):
        api.post(path, response_class=FileResponse, responses={**answers, **PROBLEMS})(call)
    return api


class Service:
    """The four tasks.

    Args:
        studio ([`Studio`]): The pipelines.
        limits ([`ServingLimits`]): Sizes, lengths, times and waiting requests.
    """

    def __init__(self, studio: Studio, limits: ServingLimits) -> None:
        self.studio, self.limits = studio, limits
        self.jobs = Jobs(limits.queue_size, limits.max_run_seconds)

    def reenact(
        self,
        photo: Photo,
        driving: Annotated[UploadFile, File(description="Video, landmark file or motion template")],
        control: Annotated[Literal["both", "expression", "pose"], Form()] = "both",
        motion: Annotated[Literal["relative", "absolute"], Form()] = "relative",
        eyes: Strength = 1.0,
        brows: Strength = 1.0,
        mouth: Strength = 1.0,
        head: Strength = 1.0,
        crop_only: Annotated[bool, Form()] = False,
    ) -> FileResponse:
        """Animate a photograph with a driver's expression and head motion."""

        def work(folder: Path, step: Callable[..., Any]) -> Path:
            source = store(photo, folder, "photo", IMAGE_SUFFIXES)
            motion_file = self._clip(driving, folder, FACE_MOTION_SUFFIXES)
            result: Any = self.studio.reenact(
                source, motion_file, control=control, motion=motion, crop_only=crop_only,
                strengths={"eyes": eyes, "brows": brows, "mouth": mouth, "head": head},
                landmarker=self.studio.landmarker, max_size=self.limits.max_size, output=folder / "result.mp4",
                callback_on_step_end=step,
            )  # fmt: skip
            return result.path

        return self._answer(work, "video/mp4")

    def talk(
        self,
        photo: Photo,
        sound: Annotated[UploadFile, File(description="Speech, or a video with speech")],
        emotion: Annotated[Literal["neutral", "happy", "angry", "surprise"], Form()] = "neutral",
        emotion_strength: Strength = 1.0,
        head_motion: Annotated[Literal["generated", "none"], Form()] = "generated",
        seed: Annotated[int, Form(ge=0, le=2**31 - 1)] = 0,
        crop_only: Annotated[bool, Form()] = False,
    ) -> FileResponse:
        """Make the face of a photograph say what a sound contains."""

        def work(folder: Path, step: Callable[..., Any]) -> Path:
            source = store(photo, folder, "photo", IMAGE_SUFFIXES)
            speech = store(sound, folder, "sound", SOUND_SUFFIXES)
            check_length(speech, self.limits.max_seconds, "sound")
            result: Any = self.studio.talk(
                source, speech, emotion=emotion, emotion_strength=emotion_strength, head_motion=head_motion, seed=seed,
                crop_only=crop_only, landmarker=self.studio.landmarker, max_size=self.limits.max_size,
                output=folder / "result.mp4", callback_on_step_end=step,
            )  # fmt: skip
            return result.path

        return self._answer(work, "video/mp4")

    def pose(
        self,
        photo: Photo,
        driving: Annotated[UploadFile, File(description="Video, key points, SMPL sequence or motion template")],
        placement: Annotated[Literal["relative", "absolute"], Form()] = "relative",
        swap: Annotated[bool, Form(description="Keep the person's own proportions")] = True,
        crop_only: Annotated[bool, Form()] = False,
    ) -> FileResponse:
        """Let a photographed person move as a driver does."""

        def work(folder: Path, step: Callable[..., Any]) -> Path:
            source = store(photo, folder, "photo", IMAGE_SUFFIXES)
            motion_file = self._clip(driving, folder, BODY_MOTION_SUFFIXES)
            result: Any = self.studio.pose(
                source, motion_file, placement=placement, swap=swap, crop_only=crop_only, detector=self.studio.detector,
                max_size=self.limits.max_size, output=folder / "result.mp4", callback_on_step_end=step,
            )  # fmt: skip
            return result.path

        return self._answer(work, "video/mp4")

    def person(
        self,
        photo: Photo,
        pose: Annotated[UploadFile, File(description="Photograph of the pose, or a file of key points")],
        fit: Annotated[Literal["person", "picture"], Form()] = "person",
    ) -> FileResponse:
        """Show a photographed person in another pose."""

        def work(folder: Path, step: Callable[..., Any]) -> Path:
            source = store(photo, folder, "photo", IMAGE_SUFFIXES)
            wanted = store(pose, folder, "pose", POSE_SUFFIXES)
            result: Any = self.studio.person(
                source,
                wanted,
                fit=fit,
                pose_person="largest",
                detector=self.studio.detector,
                callback_on_step_end=step,
            )
            return result.save(folder / "result.png")[0]

        return self._answer(work, "image/png")

    def _clip(self, driving: UploadFile, folder: Path, others: tuple[str, ...]) -> Path:
        path = store(driving, folder, "driving", (*VIDEO_SUFFIXES, *others))
        if path.suffix in VIDEO_SUFFIXES:
            check_length(path, self.limits.max_seconds, "driving video")
        return path

    def _answer(self, work: Callable[[Path, Callable[..., Any]], Path], kind: str) -> FileResponse:
        """Run in a folder that lasts until its result is sent."""
        folder = TemporaryDirectory(prefix="adaat-serve-")
        try:
            with self.jobs.run() as step:
                path = work(Path(folder.name), step)
        except BaseException:
            folder.cleanup()
            raise
        return FileResponse(path, media_type=kind, filename=path.name, background=BackgroundTask(folder.cleanup))


def _answer_problems(api: FastAPI) -> None:
    @api.exception_handler(ValueError)
    @api.exception_handler(OSError)
    def unusable(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": without_folders(str(error))}, 422)

    @api.exception_handler(Busy)
    def busy(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": "Too many requests are waiting; try again later."}, 503, {"Retry-After": "30"})

    @api.exception_handler(TooSlow)
    def too_slow(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": "The run took too long; send a shorter clip."}, 504)
