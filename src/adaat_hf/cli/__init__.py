"""The `adaat` command."""

import argparse
import sys
from collections.abc import Sequence

from . import data, faces, files, persons, serving, speed


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0, or 1 after an error that the user can mend."""
    args = _parser().parse_args(argv)
    try:
        return args.run(args)
    except (ValueError, OSError, ImportError) as error:
        print(f"adaat: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("adaat: stopped", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="adaat", description="Bring a still picture of a face or a person to life.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in (faces, persons, files, speed, serving, data):
        module.add_commands(commands)
    return parser
