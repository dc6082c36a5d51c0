"""A Hub on loopback, as far as pushing and loading need it: repositories with branches, private ones, and faults on demand."""

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit


TOKEN = "hf_secret"


@dataclass
class Repository:
    """Files by path for every commit, and the commit of every branch."""

    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def commit(self, branch: str, files: dict[str, bytes]) -> str:
        sha = hashlib.sha1(f"{branch} {len(self.commits)}".encode()).hexdigest()
        self.commits[sha] = files
        self.branches[branch] = sha
        return sha

    def resolve(self, revision: str) -> str | None:
        sha = self.branches.get(revision, revision)
        return sha if sha in self.commits else None


class LoopbackHub:
    """Serve repositories; `address` is the value for HF_ENDPOINT.

    `cut[path]` is how many bytes of a file the next download gets before the connection breaks.
    """

    def __init__(self) -> None:
        hub = self
        self.repositories: dict[str, Repository] = {}
        self.requests: list[str] = []
        self.cut: dict[str, int] = {}

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                pass

            def do_HEAD(self) -> None:
                hub._answer(self)

            def do_GET(self) -> None:
                hub._answer(self)

            def do_POST(self) -> None:
                hub._answer(self)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add(self, name: str, folder: Path, private: bool = False, branch: str = "main") -> Repository:
        """Put a folder's files into a repository."""
        repository = self.repositories.setdefault(name, Repository(private))
        files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
        repository.commit(branch, files)
        return repository

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        self.requests.append(f"{request.command} {request.path}")
        length = int(request.headers.get("Content-Length") or 0)
        body = request.rfile.read(length)
        path = unquote(urlsplit(request.path).path)
        authorised = request.headers.get("Authorization") == f"Bearer {TOKEN}"
        if request.command == "POST":
            return self._write(request, path, body, authorised)
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(?:revision|tree)/([^/]+))?", path):
            return self._describe(request, match[1], match[2] or "main", "/tree/" in path, authorised)
        if match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            return self._file(request, match[1], match[2], match[3], authorised)
        self._fail(request, 404, "RepoNotFound")

    def _find(
        self, request: BaseHTTPRequestHandler, name: str, revision: str, authorised: bool
    ) -> tuple[Repository, str] | None:
        """The repository and its commit; `None` after a refusal was sent."""
        repository = self.repositories.get(name)
        if repository is None or (repository.private and not authorised):
            # The real Hub does not tell strangers whether a private repository exists.
            self._fail(request, 404 if authorised else 401, "RepoNotFound")
            return None
        sha = repository.resolve(revision)
        if sha is None:
            self._fail(request, 404, "RevisionNotFound")
            return None
        return repository, sha

    def _describe(
        self, request: BaseHTTPRequestHandler, name: str, revision: str, tree: bool, authorised: bool
    ) -> None:
        found = self._find(request, name, revision, authorised)
        if found is None:
            return
        repository, sha = found
        files = repository.commits[sha]
        if tree:
            return self._json(
                request, [{"type": "file", "path": n, "size": len(c), "oid": _oid(c)} for n, c in files.items()]
            )
        siblings = [{"rfilename": name} for name in files]
        self._json(
            request,
            {"id": name, "modelId": name, "sha": sha, "siblings": siblings, "tags": [], "private": repository.private},
        )

    def _file(self, request: BaseHTTPRequestHandler, name: str, revision: str, path: str, authorised: bool) -> None:
        found = self._find(request, name, revision, authorised)
        if found is None:
            return
        repository, sha = found
        content = repository.commits[sha].get(path)
        if content is None:
            return self._fail(request, 404, "EntryNotFound", sha)
        start = 0
        if match := re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", "")):
            start = int(match[1])
        request.send_response(206 if start else 200)
        headers = {
            "ETag": f'"{_oid(content)}"', "X-Repo-Commit": sha, "Content-Length": str(len(content) - start),
            "Accept-Ranges": "bytes",
        }  # fmt: skip
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        for key, value in headers.items():
            request.send_header(key, value)
        request.end_headers()
        if request.command == "GET":
            cut = self.cut.pop(path, None)
            request.wfile.write(content[start:] if cut is None else content[start : start + cut])
            if cut is not None:
                request.close_connection = True

    def _write(self, request: BaseHTTPRequestHandler, path: str, body: bytes, authorised: bool) -> None:
        if path == "/api/validate-yaml":
            return self._json(request, {"warnings": [], "errors": []})
        if not authorised:
            return self._fail(request, 401, "")
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
            if name in self.repositories:
                return self._json(request, {"url": f"{self.address}/{name}"}, 409)
            private = bool(asked.get("private")) or asked.get("visibility") == "private"
            self.repositories[name] = Repository(private)
            self.repositories[name].commit("main", {".gitattributes": b""})
            return self._json(request, {"url": f"{self.address}/{name}"})
        match = re.fullmatch(r"/api/models/([^/]+/[^/]+)/(branch|preupload|commit|tree|paths-info)/([^/]+)", path)
        if match is None or match[1] not in self.repositories:
            return self._fail(request, 404, "RepoNotFound")
        repository, kind, revision = self.repositories[match[1]], match[2], match[3]
        if kind == "branch":
            if revision in repository.branches:
                return self._json(request, {}, 409)
            repository.branches[revision] = repository.branches["main"]
            return self._json(request, {})
        if kind == "preupload":
            asked = [entry["path"] for entry in json.loads(body)["files"]]
            files = [{"path": name, "uploadMode": "regular", "shouldIgnore": False, "oid": None} for name in asked]
            return self._json(request, {"files": files})
        self._commit(request, match[1], repository, revision, body)

    def _commit(
        self, request: BaseHTTPRequestHandler, name: str, repository: Repository, revision: str, body: bytes
    ) -> None:
        sha = repository.resolve(revision)
        if sha is None:
            return self._fail(request, 404, "RevisionNotFound")
        files = dict(repository.commits[sha])
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "deletedFile":
                files = {path: content for path, content in files.items() if not fnmatch(path, value["path"])}
        sha = repository.commit(revision, files)
        self._json(request, {"success": True, "commitOid": sha, "commitUrl": f"{self.address}/{name}/commit/{sha}"})

    def _json(self, request: BaseHTTPRequestHandler, value: object, status: int = 200) -> None:
        content = json.dumps(value).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(content)

    def _fail(self, request: BaseHTTPRequestHandler, status: int, code: str, sha: str | None = None) -> None:
        request.send_response(status)
        if code:
            request.send_header("X-Error-Code", code)
        if sha is not None:
            request.send_header("X-Repo-Commit", sha)
        request.send_header("Content-Length", "0")
        request.end_headers()


def _oid(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
