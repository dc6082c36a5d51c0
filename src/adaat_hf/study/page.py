"""The page on which clips are rated: one at a time, shuffled, without the method's name."""

import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from ..video import VIDEO_SUFFIXES
from .clips import StudyClips
from .store import HIGHEST, LOWEST, Rating, RatingStore


INTRODUCTION = """# How real does it look?

You will see short clips. Some may be real, some were made by programs. Rate each from 1 (pretty fake) to 5 (pretty real); trust your
first impression. You can stop at any time and go on later in this browser. Nothing is stored but your ratings and a random number."""
THANKS = "## Thank you! You have rated all clips."
LABELS = [("1 – pretty fake", 1), ("2", 2), ("3", 3), ("4", 4), ("5 – pretty real", 5)]
# Files are served under names of this many random bytes, which say nothing of the method.
NAME_BYTES = 12


@dataclass(frozen=True)
class Showing:
    """A study as it is shown.

    Args:
        clips ([`StudyClips`]): What is rated.
        store ([`RatingStore`]): Where ratings go.
        cases (`int`, *optional*): Cases that each rater sees; all by default.
        blind (`dict[tuple[str, str], Path]`): Copies under random names, by method and case.
    """

    clips: StudyClips
    store: RatingStore
    cases: int | None
    blind: dict[tuple[str, str], Path]

    def next_of(self, rater: str) -> tuple[tuple[str, str] | None, str]:
        """What a rater sees next, `None` at the end, and how far they are."""
        order, done = self.clips.order(rater, self.cases), self.store.rated(rater)
        waiting = [one for one in order if one not in done]
        return (waiting[0] if waiting else None), f"{len(order) - len(waiting)} of {len(order)} rated"


def blind_copies(clips: StudyClips, folder: Path) -> dict[tuple[str, str], Path]:
    """Copy all files under random names, so that no address on the page says which method made them."""
    copies = {}
    for key, path in clips.files.items():
        copies[key] = Path(shutil.copyfile(path, folder / f"{secrets.token_hex(NAME_BYTES)}{path.suffix.lower()}"))
    return copies


def build_study(clips: StudyClips, store: RatingStore, folder: Path, cases: int | None = None) -> gr.Blocks:
    """Build the page.

    Args:
        clips ([`StudyClips`]): What is rated.
        store ([`RatingStore`]): Where ratings go.
        folder (`Path`): Folder for the copies that are served.
        cases (`int`, *optional*): Cases that each rater sees; all by default.
    """
    showing = Showing(clips, store, cases, blind_copies(clips, folder))
    with gr.Blocks(title="How real does it look?", analytics_enabled=False) as app:
        rater = gr.BrowserState("", storage_key="adaat-study-rater", secret="adaat-study")
        gr.Markdown(INTRODUCTION)
        begin = gr.Button("Begin", variant="primary")
        with gr.Column(visible=False) as panel:
            progress = gr.Markdown()
            video = gr.Video(show_label=False, autoplay=True, loop=True, buttons=[], height=420, interactive=False)
            picture = gr.Image(show_label=False, buttons=[], height=420, interactive=False)
            score = gr.Radio(LABELS, label="How real does it look?")
            send = gr.Button("Next", variant="primary")
        shown = gr.State(None)
        outputs = [panel, begin, progress, video, picture, score, send, shown, rater]
        private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

        def start(token: str) -> list[Any]:
            return _view(showing, token or secrets.token_hex(16))

        def rate(token: str, current: list[str] | None, given: int | None) -> list[Any]:
            if not token or current is None:
                return _view(showing, token or secrets.token_hex(16))
            if given is None or not LOWEST <= given <= HIGHEST:
                gr.Warning("Choose a rating from 1 to 5 first.")
                return [gr.skip()] * len(outputs)
            store.rate(Rating(token, current[0], current[1], int(given)))
            return _view(showing, token)

        begin.click(start, rater, outputs, **private)
        send.click(rate, [rater, shown, score], outputs, trigger_mode="once", **private)
    return app


def _view(showing: Showing, rater: str) -> list[Any]:
    """New values of the page's parts."""
    current, done = showing.next_of(rater)
    if current is None:
        empty, hidden = gr.update(value=None, visible=False), gr.update(visible=False)
        return [gr.update(visible=True), hidden, THANKS, empty, empty, hidden, hidden, None, rater]
    path = showing.blind[current]
    moving = path.suffix in VIDEO_SUFFIXES
    video = gr.update(value=str(path) if moving else None, visible=moving)
    picture = gr.update(value=None if moving else str(path), visible=not moving)
    unrated, visible = gr.update(value=None, visible=True), gr.update(visible=True)
    return [visible, gr.update(visible=False), done, video, picture, unrated, visible, list(current), rater]


def launch_study(clips: StudyClips, store: RatingStore, cases: int | None = None, **options: Any) -> Any:
    """Show the page until it is closed; options as in `gr.Blocks.launch`."""
    with tempfile.TemporaryDirectory(prefix="study-") as folder:
        app = build_study(clips, store, Path(folder), cases)
        # Ratings are quick; many may be stored at once.
        app.queue(default_concurrency_limit=16)
        return app.launch(
            theme=gr.themes.Soft(),
            allowed_paths=[folder],
            ssr_mode=False,
            run_history=False,
            footer_links=[],
            **options,
        )


__all__ = ["build_study", "launch_study"]
