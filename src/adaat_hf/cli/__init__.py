"""The `adaat` command."""

import argparse
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from . import data, evaluation, faces, files, live, persons, serving, speed


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0, or 1 after an error that the user can mend."""
    args = _parser().parse_args(argv)
    try:
        with _stoppable():
            return args.run(args)
    except (ValueError, OSError, ImportError) as error:
        print(f"adaat: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("adaat: stopped", file=sys.stderr)
        return 130


@contextmanager
def _stoppable() -> Iterator[None]:
    """Treat the signal that asks a process to end like Ctrl-C, so that files that are half written are removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="adaat", description="Bring a still picture of a face or a person to life.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in (faces, persons, live, files, speed, evaluation, serving, data):
        module.add_commands(commands)
    return parser
