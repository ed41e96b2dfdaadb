"""The table of contents: every verb, in the order of `mycli --help`."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any

import click
import typer
from typer.core import TyperGroup

from mycli import __version__, output
from mycli.commands import WANTS_JSON
from mycli.commands.cleanup_task_definitions import cleanup_task_definitions
from mycli.commands.completion import completion
from mycli.commands.configure import configure
from mycli.commands.credentials import app as credentials
from mycli.commands.destroy import destroy
from mycli.commands.doctor import doctor
from mycli.commands.exec_ import ExecCommand, exec_
from mycli.commands.init import init
from mycli.commands.init_project import init_project
from mycli.commands.list_ import list_
from mycli.commands.list_images import list_images
from mycli.commands.list_task_definitions import list_task_definitions
from mycli.commands.local import app as local
from mycli.commands.logs import logs
from mycli.commands.register_image import register_image
from mycli.commands.status import status
from mycli.commands.stop import stop
from mycli.commands.unregister_image import unregister_image
from mycli.commands.update_function import update_function
from mycli.errors import MycliError, UsageError

DEBUG = "mycli.debug"


class Root(TyperGroup):
    """Turns what a verb raises into a line, a hint and an exit code."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        try:
            return super().make_context(*args, **kwargs)
        except BrokenPipeError:  # of --help: click itself would end with 1
            raise typer.Exit(_unread()) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As click does it, but a line that is too long goes on in the next, and is not cut."""
        verbs = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [
            (name, verb.get_short_help_str(limit=200))
            for name, verb in verbs
            if verb and not verb.hidden
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

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


def _unexpected(error: Exception) -> MycliError:
    if isinstance(error, OSError):
        return MycliError(str(error))
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


app.command("init")(init)
app.command("exec", cls=ExecCommand, context_settings={"allow_interspersed_args": False})(exec_)
app.command("status")(status)
app.command("logs")(logs)
app.command("stop")(stop)
app.command("list")(list_)
app.command("list-images")(list_images)
app.command("register-image")(register_image)
app.command("unregister-image")(unregister_image)
app.command("list-task-definitions")(list_task_definitions)
app.command("task-definitions", hidden=True)(list_task_definitions)
app.command("cleanup-task-definitions")(cleanup_task_definitions)
app.command("configure")(configure)
app.command("doctor")(doctor)
app.command("init-project")(init_project)
app.add_typer(credentials, name="credentials")
app.command("update-function")(update_function)
app.add_typer(local, name="local")
app.command("destroy")(destroy)
app.command("completion")(completion)


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
        output.error(str(error))
        return MycliError.exit_code


def _misused(error: click.ClickException, as_json: bool) -> int:
    verb = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "mycli"
    output.error(error.format_message(), f"see `{verb} --help`", as_json=as_json)
    return UsageError.exit_code
