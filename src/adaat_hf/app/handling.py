"""From a visitor's click to a result: progress, files that are cleaned up, and errors that a person understands."""

import html
import json
import logging
from collections.abc import Callable, Iterator
from tempfile import TemporaryDirectory
from typing import Any

import gradio as gr

from ..serving.messages import without_folders
from ..serving.running import Cancelled, Progress, Run


logger = logging.getLogger(__name__)

UNEXPECTED = "Something went wrong here, not with your files. Please try again; if it happens again, report it."


def run_on_page(run: Run[Any], outputs: int, finish: Callable[[Any], tuple[Any, ...]]) -> Iterator[Any]:
    """Yield what the page shows: while the run works its progress as the last output, at the end the results.

    Args:
        run ([`Run`]): The work.
        outputs (`int`): How many outputs there are before the progress.
        finish (`Callable`): Makes the outputs of the run's result.
    """
    for progress in run:
        yield *(gr.skip() for _ in range(outputs)), progress_html(progress)
    result = run.result
    yield *finish(result), status_html(result.statistics)


def guarded(work: Callable[[TemporaryDirectory[str]], Iterator[Any]]) -> Iterator[Any]:
    """Run `work` in a folder that disappears afterwards; Gradio has its own copies of the results by then.

    Raises:
        gr.Error: with a sentence for the visitor.
    """
    try:
        folder = TemporaryDirectory(prefix="adaat-app-")
        try:
            yield from work(folder)
        finally:
            folder.cleanup()
    except (Cancelled, GeneratorExit):
        raise
    except (ValueError, OSError) as error:
        raise gr.Error(without_folders(str(error)), title="This cannot be animated", duration=None) from error
    except gr.Error:
        raise
    except Exception as error:
        logger.exception("A run failed")
        raise gr.Error(UNEXPECTED, title="Error", duration=None) from error


def progress_html(progress: Progress) -> str:
    """How far a run is: a sentence and a bar."""
    share = f" value='{progress.done}' max='{progress.total}'" if progress.total and progress.done else ""
    return _with_bar(progress, share)


def replace_progress(text: str, running: bool) -> str:
    """JavaScript for the browser: a status that still is progress becomes `text`, with a bar if the run is `running`."""
    instead = _with_bar(text) if running else status_html(text)
    return f"""status => status?.includes("<progress") ? {json.dumps(instead)} : status"""


def _with_bar(text: object, share: str = "") -> str:
    return f"{status_html(text)}<progress aria-label='progress'{share}></progress>"


def status_html(text: object) -> str:
    """A sentence that screen readers announce."""
    return f"<p role='status'>{html.escape(str(text))}</p>"
