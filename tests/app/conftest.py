"""The page, served on loopback with the bundled networks, and small files to give it."""

import pytest


pytest.importorskip("gradio", reason="needs gradio")
MAX_SECONDS = 4
MAX_MEGABYTES = 25


@pytest.fixture(scope="session")
def address(studio):
    from adaat_hf.app import ServingLimits, build_app, launch_app

    settings = ServingLimits(max_seconds=MAX_SECONDS, max_upload_megabytes=MAX_MEGABYTES, max_size=320)
    app = build_app(studio, settings)
    _, url, _ = launch_app(app, settings, prevent_thread_lock=True, quiet=True)
    yield url
    app.close()
