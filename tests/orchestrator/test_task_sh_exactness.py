"""Exactness of task.sh: a command does what it does under plain `sh -c` of the same shell."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from orchestrator.wire import begin_marker
from tests.shell_commands import commands, odd_text
from tests.soak import sizes
from tests.task_script import (
    EXECUTION_ID,
    SCRIPT,
    UNSHARE,
    Container,
    Ended,
    can_unshare,
    every_shell,
    exports,
    run_alone,
)

many = settings(deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])

# Each means something to some shell, or to the programs that task.sh runs before the command.
SPECIAL = (
    *("IFS", "PATH", "HOME", "PWD", "OLDPWD", "PS1", "PS4", "ENV", "BASH_ENV", "CDPATH", "LANG"),
    *("LD_PRELOAD", "LD_LIBRARY_PATH", "LC_ALL", "OPTIND", "OPTARG", "OPTERR", "PPID", "UID"),
    *("EUID", "SHELLOPTS", "BASHOPTS", "BASH_VERSINFO", "BASH_VERSION", "POSIXLY_CORRECT", "SHLVL"),
    *("GROUPS", "DIRSTACK", "FUNCNAME", "BASH_SOURCE", "BASH_ALIASES", "BASH_CMDS"),
    *("BASH_COMPAT", "BASH_XTRACEFD", "HISTCMD", "LINENO", "MAIL", "MAILPATH", "TMPDIR", "TERM"),
    *("GLOBIGNORE", "GREP_OPTIONS", "TZ", "HOSTNAME", "IGNOREEOF", "FUNCNEST", "EXECIGNORE", "_"),
    *("name", "_name", "_said", "_code", "code", "child", "TIMEOUT", "COLUMNS", "MALLOC_CHECK_"),
)
# A shell says these of itself, or counts on; SECONDS goes on from what it is given.
OF_THE_SHELL = {"_", "PWD", "OLDPWD", "SHLVL", "PPID", "SECONDS"}


def alone(
    container: Container, shell: str, command: str, env: Mapping[str, str]
) -> tuple[int, str]:
    """A command's exit code and output without mycli, in an empty folder."""
    folder = container.folder / "here"
    usual = {
        "PATH": os.environ["PATH"],
        "HOME": str(container.folder / "home"),
        "TMPDIR": str(container.tmp),
        "MYCLI_EXECUTION_ID": EXECUTION_ID,
    }
    folder.mkdir()
    try:
        code, output = run_alone(container.sh(shell), command, usual | dict(env), folder)
    except subprocess.TimeoutExpired:  # such a command has nothing to compare
        assume(False)
        raise
    finally:
        shutil.rmtree(folder)
    return code, output.decode(errors="surrogateescape")


def in_task(container: Container, shell: str, command: str, env: Mapping[str, str]) -> Ended:
    """The same through task.sh."""
    folder = container.folder / "here"
    folder.mkdir()
    variables = {"MYCLI_ENV": exports(env), "MYCLI_ENV_NAMES": " ".join(env)} if env else {}
    try:
        return container.run(shell, command, MYCLI_WORKDIR=str(folder), **variables)
    finally:
        shutil.rmtree(folder)


@every_shell
@sizes(20, 1000)
def test_a_command_does_what_it_does_alone(shell: str, size: int, container: Container) -> None:
    @settings(many, max_examples=size)
    @given(commands)
    @example("cd -")
    @example("echo three >&3; echo nine >&9; ls -l /proc/self/fd | wc -l")
    @example("trap; umask; echo $-; alias; trap '' INT; trap")
    def check(command: str) -> None:
        assume(shell != "busybox" or "-INT" not in command)  # see task.sh
        wanted = alone(container, shell, command, {})
        ended = in_task(container, shell, command, {})
        assert (ended.exit_code, ended.output) == wanted

    check()


# --- The environment -----------------------------------------------------------------------------

SHOW = "echo =; env -0; exit 3"


def split(output: str) -> tuple[str, dict[str, str]]:
    """What SHOW printed: what the shell said before, and the environment."""
    said, _, rest = output.partition("=\n")
    return said, dict(entry.split("=", 1) for entry in rest.split("\0")[:-1])


@every_shell
@sizes(15, 300)
def test_a_value_arrives_byte_for_byte(shell: str, size: int, container: Container) -> None:
    names = st.from_regex(r"X[A-Za-z0-9_]{0,8}", fullmatch=True)
    values = st.one_of(odd_text, odd_text.map(lambda text: text.ljust(3000, "'")[:3000]))

    @settings(many, max_examples=size)
    @given(st.dictionaries(names, values, min_size=1, max_size=5))
    @example({"X": "", "X1": "\n", "X2": "\n\n", "X3": "'", "X4": "$(echo pwned)`echo pwned`"})
    @example({"X": "export Y=1\nexport Z=2", "X1": "\\\n", "X2": " ", "X3": "a\\", "X4": "\\\\'"})
    def check(env: dict[str, str]) -> None:
        ended = in_task(container, shell, SHOW, env)
        said, arrived = split(ended.output)
        assert (ended.exit_code, said) == (3, "")
        assert {name: text for name, text in arrived.items() if name.startswith("X")} == env

    check()


@every_shell
@pytest.mark.parametrize("value", ["7", "it's $HOME"])
def test_a_name_that_means_something_arrives_or_is_refused(
    shell: str, value: str, container: Container
) -> None:
    show = f'echo "="; {shutil.which("env")} -0; exit 3'  # PATH is one of them
    wrong: list[str] = []
    for name in SPECIAL:
        ended = in_task(container, shell, show, {name: value})
        if begin_marker(EXECUTION_ID) not in ended.log:
            assert ended.exit_code == 125
            assert "the shell of this image cannot set one of the" in ended.setup
            continue
        code, output = alone(container, shell, show, {name: value})
        said, wanted = split(output)
        says, arrived = split(ended.output)
        if name not in OF_THE_SHELL and arrived.get(name) != wanted.get(name):
            wrong.append(f"{name} is {arrived.get(name)!r}, alone {wanted.get(name)!r}")
        others = (wanted.keys() ^ arrived.keys()) - OF_THE_SHELL - {name}
        if (code, said) != (ended.exit_code, says) or others:
            wrong.append(f"{name}: {says!r}, {ended.exit_code}, alone {said!r}, {code}; {others}")
    assert wrong == []


@every_shell
def test_a_variable_of_the_image_is_not_changed_by_the_script(
    shell: str, container: Container
) -> None:
    words = set(re.findall(r"(?<![\w$-])[a-z]\w*", SCRIPT.read_text("utf-8")))
    words -= {"shell", "command", "script", "prefix"}  # parameters of `run`
    image = {word: "of the image" for word in words if len(word) > 1} | {"MINE": "1"}
    assert {"code", "branch", "repository"} <= image.keys()
    ended = container.run(
        shell, SHOW, **image, MYCLI_ENV=exports({"X": "1"}), MYCLI_ENV_NAMES="X", MYCLI_WORKDIR="."
    )
    _, arrived = split(ended.output)
    assert {name: arrived.get(name) for name in image} == image


# --- The exit code -------------------------------------------------------------------------------


@every_shell
@sizes(16, 256)
def test_every_exit_code(shell: str, size: int, container: Container) -> None:
    for code in range(256 // size - 1, 256, 256 // size):
        assert container.run(shell, f"exit {code}").exit_code == code


@every_shell
def test_every_signal(shell: str, container: Container) -> None:
    harmless = {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCONT}
    # Where all is busybox, a command is deaf to these two.
    deaf = {signal.SIGINT, signal.SIGQUIT} if shell == "busybox" else set[signal.Signals]()
    for number in set(range(1, 32)) - harmless - deaf:
        command = f"kill -{number} $$; echo survived"
        wanted = alone(container, shell, command, {})
        ended = in_task(container, shell, command, {})
        assert (number, ended.exit_code, ended.output) == (number, *wanted)


@every_shell
@pytest.mark.parametrize(
    ("command", "exit_code", "output"),
    [
        ("kill -TERM 0; echo late", 143, ""),
        ("kill -9 0; echo late", 137, ""),
        ("exec >&- 2>&-; exit 3", 3, ""),
        ("exec >&- 2>&-; true", 0, ""),
        ("sleep 60 >&- & exit 4", 4, ""),
        ("trap '' TERM HUP INT PIPE; sleep 60 & echo on; exit 5", 5, "on\n"),
        ("(trap '' TERM; exec sleep 60) & kill -TERM $$", 143, ""),
    ],
)
def test_a_command_that_hits_at_its_own_group_or_streams(
    shell: str, container: Container, command: str, exit_code: int, output: str
) -> None:
    ended = container.run(shell, command)
    assert (ended.exit_code, ended.output) == (exit_code, output)


@every_shell
@pytest.mark.skipif(not can_unshare(), reason="unshare cannot make a process namespace here")
@pytest.mark.parametrize(
    ("command", "exit_code"),
    [
        # Process 1 of a container feels only the signals that it has a trap for.
        ("kill -USR1 $PPID; kill -USR2 $PPID; kill -HUP 1; kill -9 1; sleep 0.2; exit 6", 6),
        ("kill -TERM 1; sleep 60; exit 0", 143),
        ("kill -9 -1; exit 8", 8),
        # Not before what counts the time does: it is deaf to TERM once it sleeps.
        (
            "until grep -qs ^sleep /proc/[0-9]*/cmdline; do :; done; kill -TERM -1; sleep 60",
            124,
        ),
    ],
)
def test_a_command_that_hits_at_the_script(
    shell: str, container: Container, command: str, exit_code: int
) -> None:
    running = container.start(shell, command, prefix=UNSHARE, MYCLI_TIMEOUT_SECONDS="2")
    assert running.end().exit_code == exit_code


@every_shell
@pytest.mark.skipif(not can_unshare(), reason="unshare cannot make a process namespace here")
@pytest.mark.parametrize("number", ["TERM", "INT", "QUIT", "WINCH"])
def test_the_stop_signal_of_the_image_stops_the_command(
    shell: str, container: Container, number: str
) -> None:
    command = f"trap 'echo cleaned; exit 9' TERM; kill -{number} 1; sleep 60 & wait"
    ended = container.start(shell, command, prefix=UNSHARE).end()
    assert (ended.exit_code, ended.output) == (9, "cleaned\n")


@every_shell
def test_a_command_that_kills_the_script_has_not_succeeded(
    shell: str, container: Container
) -> None:
    running = container.start(shell, "kill -9 $PPID; exit 0")
    log, _ = running.process.communicate(timeout=20)
    assert running.process.returncode == -signal.SIGKILL
    assert b"exit code" not in log


@every_shell
@pytest.mark.skipif(not can_unshare(), reason="unshare cannot make a process namespace here")
@pytest.mark.parametrize("number", ["TERM", "KILL"])
def test_who_ends_every_sleep_does_not_end_the_time(
    shell: str, container: Container, number: str
) -> None:
    killall = """
        ended=''
        until [ "$ended" ]; do
            for folder in /proc/[0-9]*; do
                case $(tr '\\0' ' ' <"$folder/cmdline") in
                *"sleep 7777 ") kill -{number} "${{folder#/proc/}}" && ended=1 ;;
                esac
            done
        done
        sleep 0.2
        echo on"""
    running = container.start(
        shell, killall.format(number=number), prefix=UNSHARE, MYCLI_TIMEOUT_SECONDS="7777"
    )
    ended = running.end()
    assert (ended.exit_code, ended.output) == (0, "on\n")


@every_shell
@pytest.mark.parametrize("exit_code", [0, 3, 143, 200])
def test_a_stop_as_the_command_ends_changes_no_exit_code(
    shell: str, container: Container, exit_code: int
) -> None:
    """The moment between the end of `wait` and what is made of it."""
    text = SCRIPT.read_text("utf-8")
    slow = text.replace(
        "  _code=$?\n", '  _code=$?\n  [ "${hit:=$$}" = no ] || kill "$$"\n  hit=no\n'
    )
    assert slow != text
    assert container.start(shell, f"exit {exit_code}", script=slow).end().exit_code == exit_code
