"""The table of contents: every verb, in the order of `mycli --help`."""

from __future__ import annotations

import inspect
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import click
import typer
from click.utils import make_default_short_help
from typer.core import TyperGroup
from typer.main import get_command, get_group

from mycli import __version__, output
from mycli.commands import WANTS_JSON
from mycli.errors import MycliError, UsageError

if TYPE_CHECKING:
    from types import ModuleType

DEBUG = "mycli.debug"

# In the order of `mycli --help`, each with its file in mycli/commands/ where that has another name.
# Only the verb that is asked for is made: all of them take longer than the rest of a start.
VERBS = {
    "init": "",
    "exec": "exec_",
    "status": "",
    "logs": "",
    "stop": "",
    "list": "list_",
    "build": "",
    "list-images": "",
    "register-image": "",
    "unregister-image": "",
    "list-task-definitions": "",
    "task-definitions": "list_task_definitions",
    "cleanup-task-definitions": "",
    "configure": "",
    "doctor": "",
    "init-project": "",
    "update-function": "",
    "destroy": "",
    "completion": "",
    "credentials": "",
    "registry-login": "",
    "registry-logout": "",
    "local": "",
}
HIDDEN = {"task-definitions"}


class Root(TyperGroup):
    """Turns what a verb raises into a line, a hint and an exit code."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        try:
            return super().make_context(*args, **kwargs)
        except BrokenPipeError:  # of --help: click itself would end with 1
            raise typer.Exit(_unread()) from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*VERBS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in VERBS and cmd_name not in self.commands:
            self.commands[cmd_name] = _make(cmd_name)
        return self.commands.get(cmd_name)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args[0] not in VERBS:  # click names the nearest of those that are made
            for verb in VERBS:
                self.get_command(ctx, verb)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As click does it, but a line that is too long goes on in the next, and is not cut."""
        with formatter.section("Commands"):
            formatter.write_dl([(verb, _summary(verb)) for verb in VERBS if verb not in HIDDEN])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, EOFError):
            raise
        except BrokenPipeError:
            raise typer.Exit(_unread()) from None
        except Exception as error:  # noqa: BLE001 - a bug, too, is told in a line and is never 0
            if ctx.meta.get(DEBUG):
                traceback.print_exc()
            told = error if isinstance(error, MycliError) else _unexpected(error)
            output.error(told.message, told.hint, as_json=ctx.meta.get(WANTS_JSON, False))
            raise typer.Exit(told.exit_code) from None


def _module(verb: str) -> ModuleType:
    """The verb's file: in it is a function of its name, or `app` where it has verbs of its own."""
    return import_module(f"mycli.commands.{VERBS[verb] or verb.replace('-', '_')}")


def _make(verb: str) -> click.Command:
    module = _module(verb)
    if hasattr(module, "app"):
        made: click.Command = get_group(module.app)
        made.name = verb
    else:
        only = typer.Typer(rich_markup_mode=None, add_completion=False)
        only.command(verb, cls=getattr(module, "Command", None))(_function(module))
        made = get_command(only)
    made.hidden = verb in HIDDEN
    return made


def _function(module: ModuleType) -> Any:
    return getattr(module, module.__name__.rpartition(".")[2])


def _summary(verb: str) -> str:
    """The first sentence of the verb's help, for which it need not be made."""
    module = _module(verb)
    told = module.app.info.help if hasattr(module, "app") else inspect.getdoc(_function(module))
    return make_default_short_help(told or "", max_length=200)


def _unexpected(error: Exception) -> MycliError:
    if isinstance(error, OSError):
        from mycli.config import unusable

        return unusable(error)
    hint = "this is a bug in mycli: `mycli --debug` before the verb shows where"
    return MycliError(f"{type(error).__name__}: {error}", hint)


def _unread() -> int:
    """Nobody reads stdout any more (`| head`): end quietly, as SIGPIPE would have it."""
    _drop_stdout()
    return 128 + signal.SIGPIPE


def _drop_stdout() -> None:
    """Let nothing go there any more: what is left in its buffer would fail again at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


app = typer.Typer(
    name="mycli",
    cls=Root,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    suggest_commands=False,  # click does, too
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(value: bool) -> None:
    if value:
        output.result(f"mycli {__version__}")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="MYCLI_DEBUG", help="Show tracebacks.")
    ] = False,
) -> None:
    """Run any command, in any Docker image, on any git repository, in your own AWS account.

    \b
    mycli init --local                    an account on this machine, to try it
    mycli exec -f --skip-git "echo hello"
    cd some-git-repository; mycli exec -f "make test"
    """
    ctx.meta[DEBUG] = debug


def main() -> None:
    _open_closed_streams()
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError:  # it was told when it was written
        _drop_stdout()
    sys.exit(code)


def _open_closed_streams() -> None:
    """A caller may close what it does not care for (`>&-`): then Python has None there."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def run(words: Sequence[str]) -> int:
    """Run one command line; returns its exit code."""
    if "_MYCLI_COMPLETE" in os.environ:
        from typer._completion_classes import completion_init

        completion_init()
    try:
        return app(words, prog_name="mycli", standalone_mode=False) or 0
    except click.exceptions.NoArgsIsHelpError as error:
        output.story(error.format_message())
        return error.exit_code
    except click.Abort:
        output.error("the question was not answered: nothing was done")
        return MycliError.exit_code
    except click.ClickException as error:
        return _misused(error, as_json="--json" in words)
    except OSError as error:  # the help could not be written
        output.error(_unexpected(error).message)
        return MycliError.exit_code


def _misused(error: click.ClickException, as_json: bool) -> int:
    verb = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "mycli"
    output.error(error.format_message(), f"see `{verb} --help`", as_json=as_json)
    return UsageError.exit_code
