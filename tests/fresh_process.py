"""Python processes that import the package anew, forked from one that holds PyTorch already, which takes most of the time."""

import multiprocessing
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import closing
from multiprocessing.process import BaseProcess
from pathlib import Path


# Nothing of Hugging Face: it reads its settings when it is imported.
HELD = ["torch._dynamo", "torch.distributed.tensor", "torchvision", "scipy.optimize", "scipy.stats", "cv2"]
STARTED_BY_DEFAULT = multiprocessing.get_start_method()
_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(HELD)


class FreshProcess:
    """A process like `python ARGUMENTS`, in a group of its own.

    Args:
        arguments (`Sequence`): `"-c"` and code, `"-m"` and a module, or a script; and what it gets.
        env (`dict[str, str]`, *optional*): All its variables; those of this process by default.
    """

    def __init__(self, arguments, env=None):
        self.arguments = [str(argument) for argument in arguments]
        self.folder = tempfile.TemporaryDirectory()
        self.files = [Path(self.folder.name) / name for name in ("stdout", "stderr")]
        environment = dict(os.environ if env is None else env)
        self.process: BaseProcess = _server.Process(target=_run, args=(self.arguments, environment, self.files))
        self.process.start()
        self.pid = self.process.pid

    def poll(self):
        """Its status, or `None` while it runs."""
        return self.process.exitcode

    def kill(self):
        """End it and all that it started."""
        os.killpg(self.pid, signal.SIGKILL)
        self.process.join()

    def finish(self, timeout=300):
        """Wait for it, and return how it ended."""
        self.process.join(timeout)
        if self.process.exitcode is None:
            self.kill()
            raise TimeoutError(f"{self.arguments} did not end within {timeout} s: {self.files[1].read_text()[-3000:]}")
        texts = [path.read_text() for path in self.files]
        return subprocess.CompletedProcess(self.arguments, self.process.exitcode, *texts)


def run_fresh(arguments, env=None, timeout=300, check=False):
    """Run a [`FreshProcess`] to its end; `check` as of `subprocess.run`."""
    done = FreshProcess(arguments, env).finish(timeout)
    if check:
        done.check_returncode()
    return done


def run_two_fresh(arguments, env=None, timeout=300, check=False):
    """Run two that find each other as `torchrun`'s processes do; both results, the main process's first."""
    with closing(socket.socket()) as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    shared = dict(os.environ if env is None else env) | {
        "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": str(port),
    }  # fmt: skip
    both = [FreshProcess(arguments, shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)}) for rank in range(2)]
    results = [process.finish(timeout) for process in both]
    if check:
        for done in results:
            done.check_returncode()
    return results


def _run(arguments, environment, files):
    os.setsid()
    for number, path in enumerate(files, 1):
        os.dup2(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY), number)
    os.environ.clear()
    os.environ.update(environment)
    multiprocessing.set_start_method(STARTED_BY_DEFAULT, force=True)
    kind, *rest = arguments
    if kind == "-c":
        sys.argv = ["-c", *rest[1:]]
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
    elif kind == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        sys.path.insert(0, str(Path(kind).parent))
        runpy.run_path(kind, run_name="__main__")
