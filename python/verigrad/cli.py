"""The command `verigrad`. Every misuse is one line on standard error and exit code 2, without a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TextIO

from verigrad.utils._extras import require

_MISUSE = 2
_INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments; None takes those of the process.

    Returns:
        The exit code: 0; 1 where `verify` has found a failure; 2 for a misuse; 130 when interrupted, 143 when
        `train` was ended by SIGTERM.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed, as by ">&-" in a shell: what goes there is not wanted
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  # for the life of the process
    try:
        click = require("click", "click", "train", "the command line")
    except ImportError as error:
        return _fail(error)
    from verigrad.training.commands import app

    try:
        code = app.main(
            args=None if argv is None else list(argv), prog_name="verigrad", standalone_mode=False
        )
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        return _fail(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        print("verigrad: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (as in `verigrad verify | head`); nobody is left to tell.
        _give_up(sys.stdout)
        return 1
    except OSError as error:
        _give_up(sys.stdout)
        return _fail(f"{error.strerror}: {error.filename}" if error.strerror and error.filename else error)
    except (ValueError, TypeError, RuntimeError, ImportError, MemoryError, OverflowError) as error:
        return _fail(error if str(error) else type(error).__name__)


def _give_up(stream: TextIO) -> None:
    """Replace a stream that can no longer be written: the interpreter flushes it once more at its end."""
    try:
        stream.flush()
    except OSError:
        name = "stderr" if stream is sys.stderr else "stdout"
        setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115


def _fail(problem: object) -> int:
    try:
        print(f"verigrad: error: {' '.join(str(problem).split())}", file=sys.stderr, flush=True)
    except OSError:  # a full disk behind it; the exit code still tells
        _give_up(sys.stderr)
    return _MISUSE


if __name__ == "__main__":
    sys.exit(main())
