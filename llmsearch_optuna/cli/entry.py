"""The entry point of the command line: run one command and return its exit status."""

import errno
import logging
import shlex
import signal
import sys
from collections.abc import Sequence

import optuna

from llmsearch_optuna.cli.arguments import make_parser
from llmsearch_optuna.cli.searching import INTERRUPTED
from llmsearch_optuna.errors import LlmsearchError
from llmsearch_optuna.logs import ConsoleFormatter
from llmsearch_optuna.terminal import discard_output, escape_unencodable

__all__ = ["main"]

_READER_GONE = 141
"""The exit status if the reader of the output has gone: 128 + SIGPIPE, which Windows lacks."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: The command line; by default that of the process.

    Returns:
        The exit status: 0; 1 after an error, with one line on standard error that names what to change; 1 if `fsck`
        found a problem; 3 if the condition of ``--fail-if`` is met; 130 after Ctrl-C; 143 after SIGTERM during
        a search; 141 if the reader of the output has gone, as after ``| head``.

    Raises:
        SystemExit: The arguments are invalid (status 2), or only ask for help or the version (status 0).
    """
    try:
        status = _run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        discard_output()
        return _READER_GONE
    except SystemExit as error:
        discard_output()  # help is written, but not flushed
        if isinstance(error.__context__, BrokenPipeError):  # rich ends the program
            return _READER_GONE
        raise
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        discard_output()
        print("llmsearch-optuna: the output cannot be written: the disk is full", file=sys.stderr)
        return 1
    return status


def _run(arguments: Sequence[str] | None) -> int:
    escape_unencodable()
    options = make_parser().parse_args(arguments)
    options.command_line = shlex.join(["llmsearch-optuna", *(sys.argv[1:] if arguments is None else arguments)])
    console = logging.StreamHandler()
    console.setFormatter(ConsoleFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[console])
    logging.getLogger("llmsearch_optuna").setLevel(logging.INFO)
    logging.captureWarnings(True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        status: int | None = options.command(options)
    except LlmsearchError as error:
        print(f"llmsearch-optuna: {error}", file=sys.stderr)
        return 1
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # rich ends the program
            raise
        # Otherwise it comes from code of the user, e.g. from a dataset's script.
        print(f"llmsearch-optuna: code that was called ended the process: SystemExit({error.code!r})", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        return 128 + signal.SIGINT
    finally:
        logging.captureWarnings(False)
    return status or 0
