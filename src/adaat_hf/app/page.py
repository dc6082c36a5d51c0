"""Put the tabs together."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from ..serving.limits import ServingLimits
from ..serving.studio import Studio
from .examples import example_rows
from .faces import ReenactTab, TalkTab
from .handling import replace_progress
from .layout import Outputs, Tab
from .persons import PersonTab, PoseTab


TABS = (ReenactTab, TalkTab, PoseTab, PersonTab)
# How often files that are too old are looked for, in seconds.
CLEAN_EVERY = 300
INTRODUCTION = """# Bring a still picture to life

AdaAT (ACM MM 2022) animates one photograph: a driver's face, a voice, or somebody's body moves it."""
RULES = """**Use pictures and voices only of people who agreed to it.** Not for deception, or anything unlawful. Results are
synthetic media and say so: a small label, and provenance metadata in the file. Uploads and results are deleted after
{minutes:.0f} minutes. The bundled networks are small research demos, and look like it where a head turns far."""
CSS = """
.adaat-status progress { width: 100%; height: 0.9rem }
.adaat-status p { margin: 0 0 0.3rem }
"""


def build_app(
    studio: Studio, settings: ServingLimits | None = None, gpu: Callable[[Any], Any] | None = None
) -> gr.Blocks:
    """Build the page.

    Args:
        studio ([`Studio`]): The pipelines.
        settings ([`ServingLimits`], *optional*): Limits.
        gpu (`Callable`, *optional*): Decorator of the functions that run networks, such as `spaces.GPU` on ZeroGPU.
    """
    limits = settings or ServingLimits()
    with gr.Blocks(
        title="AdaAT: bring a still picture to life",
        analytics_enabled=False,
        delete_cache=(min(CLEAN_EVERY, limits.keep_seconds), limits.keep_seconds),
    ) as app:
        gr.Markdown(INTRODUCTION)
        with gr.Tabs():
            for kind in TABS:
                tab = kind(studio, limits)
                with gr.Tab(tab.title, id=tab.api_name):
                    _connect(tab, tab.build(), gpu)
        gr.Markdown(RULES.format(minutes=limits.keep_seconds / 60))
    app.queue(max_size=limits.queue_size, default_concurrency_limit=1)
    return app


def _connect(tab: Tab, parts: Outputs, gpu: Callable[[Any], Any] | None) -> None:
    outputs = [*parts.results, parts.status]
    # One at a time over all tabs: a second run would only make both slower.
    event = parts.run.click(
        gpu(tab.run) if gpu else tab.run, parts.inputs, outputs, api_name=tab.api_name, trigger_mode="once",
        concurrency_id="networks", concurrency_limit=1, show_progress_on=parts.status,
    )  # fmt: skip
    stopping, stopped = replace_progress("stopping", running=True), replace_progress("stopped", running=False)
    parts.stop.click(None, parts.status, parts.status, js=stopping, cancels=event, api_visibility="private")
    # "stopped" is said when the run has ended: progress that is on its way when Stop is pressed would overwrite it.
    for ended in (event.then, event.failure):
        ended(None, parts.status, parts.status, js=stopped, api_visibility="private")
    rows = example_rows(tab.api_name, tab.studio)
    if rows:
        gr.Examples(rows, parts.examples, label="Examples", cache_examples=False)


def launch_app(app: gr.Blocks, settings: ServingLimits | None = None, **options: Any) -> Any:
    """Show the page; options as in `gr.Blocks.launch`.

    Args:
        app (`gr.Blocks`): See [`build_app`].
        settings ([`ServingLimits`], *optional*): Limits.
    """
    limits = settings or ServingLimits()
    return app.launch(
        css=CSS, theme=gr.themes.Soft(), max_file_size=f"{limits.max_upload_megabytes}mb", ssr_mode=False, run_history=False,
        footer_links=["api"], **options
    )  # fmt: skip
