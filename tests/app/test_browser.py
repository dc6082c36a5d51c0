"""The page in a real browser: headless Chromium gives files, presses buttons, and plays what comes back.

With ADAAT_SCREENSHOTS=FOLDER the pages are also written there as pictures, for the documentation.
"""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import numpy as np
import PIL.Image
import pytest
from app.conftest import MAX_SECONDS

from adaat_hf.processing.sound import encode_sound, load_sound


playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, such as Debian's package chromium"),
]
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
]  # fmt: skip
DESKTOP, PHONE = {"width": 1280, "height": 1000}, {"width": 390, "height": 844}
SECONDS = 1000
# What the last video of the visible tab that has a source says of itself, once it was decoded.
PLAYED = """name => {
    const video = [...document.querySelectorAll('video')].filter(v => v.src.includes(name) && v.checkVisibility())[0];
    if (!video || video.readyState < 2 || video.getVideoPlaybackQuality().totalVideoFrames < 2) return null;
    return {duration: video.duration, width: video.videoWidth, error: video.error && video.error.message,
            sound: video.webkitAudioDecodedByteCount};
}"""


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def page(browser, address, request):
    context = browser.new_context(viewport=request.param)
    opened = open_page(context, address)
    yield opened
    context.close()


@pytest.fixture
def desktop(browser, address):
    context = browser.new_context(viewport=DESKTOP)
    yield open_page(context, address)
    context.close()


def open_page(context, address):
    opened = context.new_page()
    opened.set_default_timeout(60 * SECONDS)
    opened.goto(address)
    opened.get_by_role("button", name="Animate").first.wait_for()
    return opened


def tab(page, name):
    """Open a tab; narrow pages hide those that do not fit behind a menu."""
    found = page.get_by_role("tab", name=name, exact=True)
    if found.first.is_visible():
        found.first.click()
    else:
        page.get_by_role("button", name="…").or_(page.locator(".overflow-menu > button")).first.click()
        page.locator(".overflow-dropdown button", has_text=name).click()
    panel = page.get_by_role("tabpanel").filter(visible=True)
    panel.get_by_role("button", name="Animate").wait_for()
    return panel


def give(panel, label, path):
    """Upload a file to the component with this label."""
    labelled = panel.locator(".block", has=panel.page.locator("label, span", has_text=label))
    block = labelled.filter(has=panel.page.locator("input[type=file]"), visible=True).last
    block.locator("input[type=file]").first.set_input_files(path)


def animate(panel, name, sound=True):
    """Press the button and wait until the video with this name was decoded; what it says of itself."""
    panel.get_by_role("button", name="Animate").click()
    deadline = time.monotonic() + 400
    while (played := panel.page.evaluate(PLAYED, name)) is None or (sound and not played["sound"]):
        assert time.monotonic() < deadline, f"{played} {panel.inner_text()}"
        time.sleep(0.25)
    assert played["error"] is None
    return played


def keep(page, name):
    """Write a screenshot if the documentation is being made."""
    if folder := os.environ.get("ADAAT_SCREENSHOTS"):
        kind = "phone" if page.viewport_size["width"] < 600 else "desktop"
        page.screenshot(path=Path(folder) / f"{name}_{kind}.png", full_page=True)


def fits(page):
    """Whether nothing is wider than the page."""
    return page.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth + 1")


def test_reenact(page, files):
    panel = tab(page, "Reenact")
    give(panel, "Photograph of a face", files["photo"])
    panel.get_by_text("face 0").wait_for()
    give(panel, "Driving video", files["driver"])
    played = animate(panel, "reenacted")
    assert played["duration"] == pytest.approx(1, abs=0.15)
    assert "8 frames on cpu" in panel.locator("p[role=status]").inner_text()
    assert panel.get_by_role("button", name="Download the video").is_enabled()
    assert fits(page)
    keep(page, "page_reenact")


def test_talk(page, files):
    panel = tab(page, "Talk")
    give(panel, "Photograph of a face", files["photo"])
    give(panel, "Speech", files["voice"])
    played = animate(panel, "talking")
    assert played["duration"] == pytest.approx(1, abs=0.1)
    assert fits(page)
    keep(page, "page_talk")


def test_pose(page, files):
    panel = tab(page, "Pose")
    give(panel, "Photograph of a person", files["figure"])
    give(panel, "or key points, an SMPL", files["wave"])
    played = animate(panel, "moving", sound=False)
    assert played["duration"] == pytest.approx(1, abs=0.1)
    assert fits(page)
    keep(page, "page_pose")


def test_person(page, files):
    panel = tab(page, "Person")
    give(panel, "Photograph of a person", files["figure"])
    give(panel, "or a file of key points", files["pose"])
    panel.get_by_role("button", name="Animate").click()
    shown = "img[src*='person.png']"
    page.wait_for_function(
        "s => { const i = document.querySelector(s); return i && i.complete && i.naturalHeight === 256 }", arg=shown,
        timeout=120 * SECONDS,
    )  # fmt: skip
    assert fits(page)
    keep(page, "page_person")


def test_one_command_leads_to_a_talking_face(browser, tmp_path):
    """`adaat demo` in a process of its own, and nothing but what is bundled: the first thing that a newcomer sees."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "adaat_hf.cli", "demo", "--no-browser", "--port", str(port)]
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "GRADIO_TEMP_DIR": str(tmp_path)}
    with subprocess.Popen(command, env=offline, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert any(f"127.0.0.1:{port}" in line for line in server.stdout), "the command says where the page is"
            context = browser.new_context(viewport=DESKTOP)
            panel = tab(open_page(context, f"http://127.0.0.1:{port}"), "Talk")
            panel.locator("tr.tr-body, .gallery-item").first.click()
            panel.get_by_text("face 0").wait_for()
            played = animate(panel, "talking")
            assert played["duration"] == pytest.approx(3, abs=0.1)
            context.close()
        finally:
            server.terminate()


def test_errors_are_messages(desktop, files, tmp_path):
    PIL.Image.new("RGB", (300, 300), "gray").save(tmp_path / "blank.png")
    panel = tab(desktop, "Reenact")
    panel.get_by_role("button", name="Animate").click()
    desktop.get_by_text("A photograph of a face is missing.").wait_for()
    give(panel, "Photograph of a face", str(tmp_path / "blank.png"))
    desktop.get_by_text("No face was found: use a clear, well lit view.").wait_for()
    keep(desktop, "page_error")


def test_two_clicks_are_one_run_and_closing_the_page_ends_it(browser, address, files):
    context = browser.new_context(viewport=DESKTOP)
    page = open_page(context, address)
    panel = tab(page, "Talk")
    give(panel, "Photograph of a face", files["photo"])
    give(panel, "Speech", files["voice"])
    panel.get_by_text("face 0").wait_for()
    panel.get_by_role("button", name="Animate").dblclick()
    panel.get_by_text("painted 4").wait_for()
    assert len(runs()) == 1
    context.close()
    deadline = time.monotonic() + 30
    while runs():
        assert time.monotonic() < deadline, "the run goes on"
        time.sleep(0.2)


def test_stop_ends_a_run(desktop, files, tmp_path):
    speech = np.resize(load_sound(files["voice"]), MAX_SECONDS * 16_000)
    encode_sound(speech, 16_000, str(tmp_path / "speech.wav"), "wav")
    panel = tab(desktop, "Talk")
    give(panel, "Photograph of a face", files["photo"])
    give(panel, "Speech", tmp_path / "speech.wav")
    panel.get_by_text("face 0").wait_for()
    panel.get_by_role("button", name="Animate").click()
    panel.get_by_text("painted 4").wait_for()
    panel.get_by_role("button", name="Stop").click()
    panel.get_by_text("stopped").wait_for()
    # What was on its way does not overwrite it.
    time.sleep(1)
    assert panel.get_by_text("stopped").is_visible()
    deadline = time.monotonic() + 30
    while runs():
        assert time.monotonic() < deadline, "the run goes on"
        time.sleep(0.2)


def runs():
    return [thread for thread in threading.enumerate() if thread.name == "adaat-run"]


def test_everything_has_a_name_and_the_keyboard_reaches_it(desktop):
    for name in ("Reenact", "Talk", "Pose", "Person"):
        panel = tab(desktop, name)
        for accordion in panel.get_by_role("button", name="Control").all():
            accordion.click()
        unnamed = desktop.evaluate("""() => {
            const named = e => e.getAttribute('aria-label') || e.getAttribute('title') || e.innerText.trim()
                || e.labels?.length || e.closest('label') || e.getAttribute('aria-labelledby');
            return [...document.querySelectorAll('button, input:not([type=file]), select, textarea')]
                .filter(e => e.checkVisibility() && !named(e)).map(e => e.outerHTML.slice(0, 200));
        }""")
        assert not unnamed
    panel = tab(desktop, "Reenact")
    panel.get_by_role("tab", name="Reenact").or_(desktop.get_by_role("tab", name="Reenact")).first.focus()
    reached = set()
    for _ in range(60):
        desktop.keyboard.press("Tab")
        reached.add(desktop.evaluate("document.activeElement.innerText || document.activeElement.ariaLabel || ''"))
    assert {"Animate", "Stop"} <= {text.strip() for text in reached}
    panel.get_by_role("button", name="Animate").focus()
    desktop.keyboard.press("Enter")
    desktop.get_by_text("A photograph of a face is missing.").wait_for()


def test_the_camera_takes_a_photograph(browser, address, files, tmp_path, astronaut):
    """The camera of this browser films the portrait."""
    film = tmp_path / "camera.y4m"
    with av.open(str(film), "w", format="yuv4mpegpipe") as file:
        stream = file.add_stream("wrapped_avframe", rate=10)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        picture = np.full((480, 640, 3), 200, np.uint8)
        picture[80:400, 160:480] = astronaut[:320, 66:386]
        for _ in range(5):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")))
        file.mux(stream.encode(None))
    arguments = [*ARGUMENTS, f"--use-file-for-fake-video-capture={film}"]
    opened = browser.browser_type.launch(executable_path=CHROMIUM, args=arguments)
    try:
        page = open_page(opened.new_context(viewport=DESKTOP, permissions=["camera"]), address)
        panel = tab(page, "Reenact")
        panel.get_by_role("button", name="Capture from camera").first.click()
        panel.get_by_text("Click to Access Webcam").first.click()
        filming = "[...document.querySelectorAll('video')].some(v => v.srcObject && v.currentTime > 0.3)"
        page.wait_for_function(filming)
        panel.get_by_role("button", name="capture photo").click()
        panel.get_by_text("face 0").wait_for()
        give(panel, "or a motion template", files["motion"])
        assert animate(panel, "reenacted", sound=False)["duration"] == pytest.approx(1, abs=0.1)
    finally:
        opened.close()
