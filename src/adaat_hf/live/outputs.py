"""Where live frames go: a video file, a page in the browser, a virtual camera."""

import json
import threading
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol, Self

import cv2
import numpy as np

from ..marking import draw_label
from ..video import VideoWriter


HOST = "127.0.0.1"
QUALITY = 88
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>adaat live</title>
<style>body{margin:0;background:#111;color:#ddd;font:16px system-ui;text-align:center}img{max-width:100vw;max-height:90vh}</style>
<img src="/stream" alt="the animated photograph"><p id="status">starting</p>
<script>setInterval(async()=>{try{const s=await(await fetch("/status")).json();document.getElementById("status").textContent=
s.text}catch{document.getElementById("status").textContent="ended"}},500)</script></html>"""


class LiveOutput(Protocol):
    """Takes frames at the session's rate; a context manager."""

    def show(self, frame: np.ndarray, status: str) -> None:
        """The next frame (H, W, 3), RGB, uint8, and what is said about it."""

    def __enter__(self) -> Self: ...
    def __exit__(self, kind: Any, error: Any, trace: Any) -> None: ...


class VideoOutput:
    """An mp4; see [`VideoWriter`] for the arguments."""

    def __init__(self, path: str | Path, fps: float, height: int, width: int, mark: bool) -> None:
        self._writer = VideoWriter(path, Fraction(fps).limit_denominator(1000), width, height, mark=mark)

    def show(self, frame: np.ndarray, status: str) -> None:
        """See [`LiveOutput`]."""
        self._writer.write(frame)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None and self._writer.count:
            self._writer.close()
        else:
            self._writer.abort()


class PageOutput:
    """A page on this machine that shows the frames as they come (Motion JPEG), for browsers and programs such as OBS.

    Args:
        port (`int`): Where to listen; 0 for any free port.
        mark (`bool`): Whether to draw the label of synthetic media.

    Raises:
        OSError: if the port is taken.
    """

    def __init__(self, port: int, mark: bool) -> None:
        self.mark = mark
        self.status = "starting"
        self._picture = b""
        self._number = 0
        self._open = True
        self._changed = threading.Condition()
        try:
            self._server = ThreadingHTTPServer((HOST, port), _handler(self))
        except OSError as error:
            raise OSError(f"The page cannot be shown on port {port}: {error}.") from error
        self._server.daemon_threads = True
        self.address = f"http://{HOST}:{self._server.server_address[1]}"

    def show(self, frame: np.ndarray, status: str) -> None:
        """See [`LiveOutput`]."""
        frame = draw_label(frame) if self.mark else frame
        _, encoded = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        with self._changed:
            self._picture, self._number, self.status = encoded.tobytes(), self._number + 1, status
            self._changed.notify_all()

    def picture(self, after: int) -> tuple[bytes, int] | None:
        """Wait for a picture beyond number `after`; `None` when there will be no more."""
        with self._changed:
            self._changed.wait_for(lambda: not self._open or self._number > after)
            return (self._picture, self._number) if self._open else None

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, name="adaat-page", daemon=True).start()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        with self._changed:
            self._open = False
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()


def _handler(page: PageOutput) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            # Another site's script must not reach this machine's page through a name that it controls.
            if self.headers.get("Host", "").rpartition(":")[0] not in (HOST, "localhost"):
                self.send_error(403)
            elif self.path == "/":
                self._answer("text/html; charset=utf-8", PAGE.encode())
            elif self.path == "/status":
                self._answer("application/json", json.dumps({"text": page.status}).encode())
            elif self.path == "/stream":
                self._stream()
            else:
                self.send_error(404)

        def _answer(self, kind: str, content: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _stream(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            number = 0
            try:
                while (found := page.picture(number)) is not None:
                    picture, number = found
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                    self.wfile.write(head.encode() + picture + b"\r\n")
            except (BrokenPipeError, ConnectionResetError):
                return  # the browser has gone

        def log_message(self, *args: object) -> None:
            """Requests are not worth a line."""

    return Handler


class CameraOutput:
    """A virtual camera that video calls can choose (through pyvirtualcam: v4l2loopback, OBS).

    Raises:
        ImportError: if pyvirtualcam is missing.
        ValueError: if this machine has no virtual camera.
    """

    def __init__(self, fps: float, height: int, width: int, mark: bool) -> None:
        try:
            import pyvirtualcam
        except ImportError as error:
            raise ImportError(
                "The virtual camera needs its package: pip install 'adaat-hf[virtual-camera]'."
            ) from error
        self.mark = mark
        try:
            self._camera = pyvirtualcam.Camera(width=width, height=height, fps=fps)
        except RuntimeError as error:
            raise ValueError(f"There is no virtual camera on this machine: {error}") from error
        self.address = str(self._camera.device)

    def show(self, frame: np.ndarray, status: str) -> None:
        """See [`LiveOutput`]."""
        self._camera.send(np.ascontiguousarray(draw_label(frame) if self.mark else frame))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._camera.close()


__all__ = ["CameraOutput", "LiveOutput", "PageOutput", "VideoOutput"]
