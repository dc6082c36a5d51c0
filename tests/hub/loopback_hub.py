"""A Hub on loopback: serves one folder as a model repository, as far as loading needs it."""

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit


COMMIT = hashlib.sha1(b"the only commit").hexdigest()


class LoopbackHub:
    """Serve `folder` as the repository `repository`; `address` is the value for HF_ENDPOINT."""

    def __init__(self, folder: Path, repository: str) -> None:
        hub = self
        self.folder, self.repository, self.requests = folder, repository, []

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: object) -> None:
                pass

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                hub.requests.append(f"{self.command} {self.path}")
                hub._answer(self, unquote(urlsplit(self.path).path))

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()

    def _answer(self, request: BaseHTTPRequestHandler, path: str) -> None:
        if re.fullmatch(rf"/api/models/{self.repository}(/revision/\w+)?", path):
            files = [{"rfilename": name} for name in self._files()]
            body = {"id": self.repository, "modelId": self.repository, "sha": COMMIT, "siblings": files, "tags": []}
            return self._send(request, json.dumps(body).encode(), {"Content-Type": "application/json"})
        if re.fullmatch(rf"/api/models/{self.repository}/tree/\w+", path):
            entries = [
                {"type": "file", "path": n, "size": (self.folder / n).stat().st_size, "oid": "0"}
                for n in self._files()
            ]
            return self._send(request, json.dumps(entries).encode(), {"Content-Type": "application/json"})
        match = re.fullmatch(rf"/{self.repository}/resolve/\w+/(.+)", path)
        if match and match[1] in self._files():
            content = (self.folder / match[1]).read_bytes()
            etag = hashlib.sha256(content).hexdigest()
            return self._send(request, content, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})
        code = "EntryNotFound" if match else "RepoNotFound"
        request.send_response(404)
        request.send_header("X-Error-Code", code)
        request.send_header("Content-Length", "0")
        request.end_headers()

    def _files(self) -> list[str]:
        return [path.relative_to(self.folder).as_posix() for path in sorted(self.folder.rglob("*")) if path.is_file()]

    def _send(self, request: BaseHTTPRequestHandler, content: bytes, headers: dict[str, str]) -> None:
        request.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            request.send_header(name, value)
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(content)
