"""The entry point of the command line: run one command and return its exit status."""

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
from llmsearch_optuna.terminal import escape_unencodable

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: The command line; by default that of the process.

    Returns:
        The exit status: 0; 1 after an error, with one line on standard error that names what to change; 1 if `fsck`
        found a problem; 130 after Ctrl-C; 143 after SIGTERM during a search.

    Raises:
        SystemExit: The arguments are invalid (status 2), or only ask for help or the version (status 0).
    """
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
    except SystemExit as error:  # of code of the user, e.g. of a dataset's script
        print(f"llmsearch-optuna: code that was called ended the process: SystemExit({error.code!r})", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        return 128 + signal.SIGINT
    finally:
        logging.captureWarnings(False)
    return status or 0
