"""``engine-run VERB``: runs the verb and turns what it raises into one line and an exit code."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, cast

from engine.base.errors import EngineError, EngineErrorGroup
from engine.base.secrets import mask_text
from engine.base.version import engine_version
from engine.cli.exit_codes import ExitCode, exit_code_of

PROGRAM = "engine-run"
# What the command-line library makes of a Ctrl-C; never one of our own codes.
_INTERRUPTED = 130
_DISK_REFUSES = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code (:class:`engine.cli.exit_codes.ExitCode`).

    Args:
        argv: arguments without the program's name; None = those of the process.
    """
    args = list(sys.argv[1:] if argv is None else argv)
    if args == ["--version"]:
        # Answered before anything else is imported.
        print(f"{PROGRAM} {engine_version()}")
        return ExitCode.DONE
    import typer

    from engine.cli.app import build_app

    try:
        result = build_app(args)(args=args, prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()
    except _usage_error(typer) as error:
        return _tell_usage(error)
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.DONE
    except (EngineError, EngineErrorGroup) as error:
        return _tell_error(error, as_json="--json" in args)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _DISK_REFUSES:
            return _tell_output_lost(error)
        print(mask_text("".join(traceback.format_exception(error))), end="", file=sys.stderr)
        return _tell_error(error, as_json="--json" in args)
    if result == _INTERRUPTED:
        return ExitCode.DONE
    return result if isinstance(result, int) else ExitCode.DONE


def _tell_output_lost(error: OSError) -> int:
    """The result could not be written; what is still in the buffer has nowhere to go either."""
    print(f"[engine] output failed: {error.strerror} (code: unavailable)", file=sys.stderr)
    print("hint: make room, or send the output elsewhere", file=sys.stderr)
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    return ExitCode.FAILED


def _usage_error(typer: Any) -> type[Exception]:
    # The class has no public name, but every version derives BadParameter from it.
    return cast("type[Exception]", typer.BadParameter.__base__)


def _tell_usage(error: Any) -> int:
    """One line: which flag or value, why, and the nearest valid one."""
    from engine.cli.common import nearest

    path = PROGRAM if error.ctx is None else error.ctx.command_path
    message = error.format_message()
    option = getattr(error, "option_name", None)
    if option is not None and error.ctx is not None:
        known = [name for param in error.ctx.command.params for name in param.opts if name.startswith("--")]
        if option not in known:
            # The library names none, one or several; we name the nearest, always.
            message = f"{error.message.rstrip('.')}; nearest valid: {nearest(option, [*known, '--help'])}"
    words = None if error.ctx is None else getattr(error.ctx.command, "commands", None)
    wrong = message.partition("No such command '")[2].partition("'")[0]
    if words and wrong:
        message = f"no such word {wrong!r}; nearest valid: {nearest(wrong, list(words))}"
    print(mask_text(f"{path}: {message}"), file=sys.stderr)
    print(f"try: {path} --help", file=sys.stderr)
    return ExitCode.USAGE


def _tell_error(error: Exception, *, as_json: bool) -> int:
    """The error on stderr, with what to do about it; as JSON on stdout too where that was asked for."""
    first = error.exceptions[0] if isinstance(error, EngineErrorGroup) else error
    known = first if isinstance(first, EngineError) else None
    text = (
        str(error) if known else f"[engine] command failed: {type(error).__name__}: {error} (code: internal)"
    )
    print(mask_text(text), file=sys.stderr)
    hint = known.hint if known else EngineError.default_hint
    print(f"hint: {hint}", file=sys.stderr)
    if as_json:
        from engine.cli.output import print_json

        code = known.code if known else EngineError.code
        trace_id = known.trace_id if known else None
        body = {"code": code, "message": mask_text(text), "hint": hint, "trace_id": trace_id}
        print_json({"error": body})
    return exit_code_of(error)
