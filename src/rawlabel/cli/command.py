"""The command `rawlabel`: parse, load the settings, call one function, turn errors into one line.

No logic lives here. A verb is one file in `verbs`; it is imported only when it is used, so that
`rawlabel --help` answers at once and loads neither torch nor a plotting library.
"""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
import warnings
from typing import Any

import click
from click.shell_completion import CompletionItem

from rawlabel.base import processes, signals
from rawlabel.base.version import __version__
from rawlabel.cli import verb_files
from rawlabel.cli.verb_files import groups as groups
from rawlabel.errors import Interrupted, RawlabelError, did_you_mean

EXAMPLE = 'rawlabel build "barn owl" robin --project birds --contact you@example.org'
"""How the main path begins; each verb ends by naming the next."""


class LazyGroup(click.Group):
    """Finds a verb's command in the module of the verb's name, on demand."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take `rawlabel` alone and `rawlabel help` for the first screen, `rawlabel help VERB` for the verb's."""
        if not ctx.resilient_parsing:
            if not args:
                args = ["--help"]
            elif args[0] == "help":
                args = [*args[1:], "--help"]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name all verbs, in the order of the first screen."""
        return list(verb_files.all_verbs())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's file and return its command; None where there is no such verb."""
        verb = verb_files.all_verbs().get(cmd_name)
        if verb is None:
            return None
        command = importlib.import_module(verb.module).COMMAND
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb to run; raises `UsageError` that suggests the nearest name."""
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            raise click.UsageError(f"no verb '{args[0]}'{did_you_mean(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs first, and the flags of the command itself behind them."""
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each group of verbs, the main path with an example."""
        known = verb_files.all_verbs()
        width = max(map(len, known))
        for number, (title, names) in enumerate(groups()):
            with formatter.section(title.capitalize()):
                formatter.write_dl([(f"{name:<{width}}", known[name].summary) for name in names])
                if number == 0:
                    formatter.write_paragraph()
                    formatter.write_text(f"Example: {EXAMPLE}")

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete verbs from what their files say, which imports none of them."""
        verbs = [verb for name, verb in verb_files.all_verbs().items() if name.startswith(incomplete)]
        flags = click.Command.shell_complete(self, ctx, incomplete)
        return [*(CompletionItem(verb.name, help=verb.summary) for verb in verbs), *flags]


@click.group(
    cls=LazyGroup,
    subcommand_metavar="VERB [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="Class names in, a trained and measured image classifier out, with no human annotator.",
    epilog="`rawlabel VERB --help` explains each flag with its default and unit; `rawlabel demo` needs no photos.",
)
@click.version_option(__version__, prog_name="rawlabel")
def rawlabel() -> None:
    """The command itself, which does nothing without a verb."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command and exit: 0 done, 1 amiss or empty, 2 bad input (one line), 130 Ctrl-C, 143 SIGTERM."""
    signals.raise_on_stop()
    # Photos whose metadata are damaged are read all the same.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    # What is wrong with a photo is said in one line by the verb; OpenCV, loaded later, would add its own.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    exit_code = run(arguments)
    # torchrun asks all processes to stop when one has ended, and so may strike here.
    signals.let_end()
    sys.exit(exit_code)


def run(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    try:
        result: Any = rawlabel.main(arguments, prog_name="rawlabel", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except RawlabelError as error:
        return _say(str(error), error.exit_code)
    except click.UsageError as error:
        verb = error.ctx.command_path if error.ctx else "rawlabel"
        said = error.format_message().replace("\n", " ").rstrip(".")
        return _say(f"{said}; `{verb} --help` shows what it takes", 2)
    except click.ClickException as error:
        return _say(error.format_message().replace("\n", " "), 2)
    except (click.Abort, KeyboardInterrupt):
        return _say("stopped; the same command goes on from here", 128 + signal.SIGINT)
    except Interrupted as interruption:
        return _say("stopped; the same command goes on from here", interruption.exit_code)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        return _say("the disk is full; free some space and run the same command again", 2)


def _say(message: str, exit_code: int) -> int:
    if processes.is_speaker():
        click.echo(f"rawlabel: {message}", err=True)
    return exit_code
