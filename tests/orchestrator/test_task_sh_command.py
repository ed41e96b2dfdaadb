"""Phase 2 of task.sh: the command, its exit code, its output and its environment."""

from __future__ import annotations

import os
import shlex

import pytest

from orchestrator.wire import begin_marker, end_marker
from tests.task_script import (
    EXECUTION_ID,
    SCRIPT,
    UNSHARE,
    Container,
    can_unshare,
    every_shell,
    exports,
)

LONG = "\n".join(f"line_{number}=$(({number} + 1))" for number in range(200)) + "\n# " + "x" * 900


@every_shell
@pytest.mark.parametrize(
    ("command", "exit_code"),
    [
        ("true", 0),
        ("exit 7", 7),
        ("exit 255", 255),
        ("kill -9 $$", 137),
        ("kill -TERM $$", 143),
        ("no-such-program", 127),
        ("/", 126),
        ("if", 2),
        ("exec sh -c 'exit 9'", 9),
        ("set -e; false; echo unreached", 1),
        ("trap 'exit 11' EXIT; exit 3", 11),
        ("sh -c 'exit 124'", 124),
        ("-v", 127),
    ],
)
def test_the_exit_code_is_the_commands_own(
    shell: str, container: Container, command: str, exit_code: int
) -> None:
    assert container.run(shell, command).exit_code == exit_code


@every_shell
@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("echo one; echo two >&2; echo three", "one\ntwo\nthree\n"),
        ("printf unfinished", "unfinished"),
        ("""printf '%s|' 'b c' '$HOME' "it's" '`id`' '\\n'""", "b c|$HOME|it's|`id`|\\n|"),
        ("echo Grüße, 世界 ✓", "Grüße, 世界 ✓\n"),
        ("cat <<'END'\n$HOME 'single' \"double\"\nEND\n", "$HOME 'single' \"double\"\n"),
        ("for n in 1 2\ndo\n  echo $n\ndone", "1\n2\n"),
        ("echo hello # a comment", "hello\n"),
        ("echo hello \\", "hello \\\n"),
        ("set -u; echo ${NOTHING-unset}", "unset\n"),
        ("trap 'echo bye' EXIT; echo hi", "hi\nbye\n"),
        ("exec echo replaced", "replaced\n"),
        ("false; echo still here", "still here\n"),
        ("echo $#", "0\n"),
        ("cat", ""),
        (LONG.ljust(5000, "x") + "\necho $line_199", "200\n"),
        ("[ -p /dev/stdin ] || [ -t 0 ] || echo nobody there", "nobody there\n"),
    ],
)
def test_the_command_runs_as_it_is_written(
    shell: str, container: Container, command: str, output: str
) -> None:
    ended = container.run(shell, command)
    assert ended.output == output
    assert ended.exit_code == 0


@every_shell
@pytest.mark.parametrize("newline", ["", "\\n"])
def test_the_markers_are_those_of_the_wire_contract(
    shell: str, container: Container, newline: str
) -> None:
    log = container.run(shell, f"printf 'last line{newline}'; exit 3").log
    between = "\n" if newline else ""
    begin, end = begin_marker(EXECUTION_ID), end_marker(EXECUTION_ID, 3)
    assert log.endswith(f"\n{begin}\nlast line{between}{end}\n")


@every_shell
def test_output_that_is_not_text_or_large_arrives_whole(shell: str, container: Container) -> None:
    ended = container.run(shell, r"printf '\377\000\376'; head -c 300000 /dev/zero | tr '\0' x")
    assert ended.output == "\udcff\0\udcfe" + "x" * 300_000


@every_shell
def test_there_is_nobody_at_standard_input(shell: str, container: Container) -> None:
    assert container.run(shell, "readlink /proc/self/fd/0").output == "/dev/null\n"


@every_shell
def test_the_users_variables_arrive_exactly(shell: str, container: Container) -> None:
    variables = {
        "QUOTES": """it's "quoted" `and` $HOME \\ !""",
        "LINES": "one\ntwo\n",
        "UNICODE": "Grüße ✓",
        "EMPTY": "",
        "IFS": "/",
        "child": "not ours",
    }
    show = "; ".join(f'printf "%s|" "${name}"' for name in variables)
    ended = container.run(shell, f"IFS=x; {show}", MYCLI_ENV=exports(variables | {"IFS": "/"}))
    assert ended.output == "|".join((variables | {"IFS": "x"}).values()) + "|"


@every_shell
def test_a_path_of_the_users_own_does_not_disturb_the_script(
    shell: str, container: Container
) -> None:
    ended = container.run(shell, "echo $PATH; exit 4", MYCLI_ENV=exports({"PATH": "/nowhere"}))
    assert (ended.output, ended.exit_code) == ("/nowhere\n", 4)


@every_shell
def test_a_variable_that_the_shell_cannot_set_is_a_failed_setup(
    shell: str, container: Container
) -> None:
    # Variables that only some shells keep to themselves: either it is set, or it never begins.
    ended = container.run(shell, "env", MYCLI_ENV=exports({"UID": "5", "OPTIND": "abc"}))
    if ended.exit_code == 0:
        assert "UID=5" in ended.output.splitlines()
    else:
        assert ended.exit_code == 125
        assert "cannot set one of the environment variables" in ended.setup
        assert begin_marker(EXECUTION_ID) not in ended.log


@every_shell
def test_of_its_own_variables_only_the_execution_id_is_left(
    shell: str, container: Container
) -> None:
    ended = container.run(
        shell,
        "env",
        HOME=None,
        MYCLI_ENV=exports({"MINE": "1"}),
        MYCLI_ENV_NAMES="MINE",
        MYCLI_WORKDIR=".",
        MYCLI_KILL_AFTER_SECONDS="5",
        MYCLI_GITHUB_HOST="github.com",
        MYCLI_GITLAB_HOST="gitlab.com",
        MYCLI_BRANCH="trunk",
        FROM_THE_IMAGE="kept",
    )
    environment = dict(line.split("=", 1) for line in ended.output.splitlines())
    ours = {name for name in environment if name.startswith("MYCLI_")}
    assert ours == {"MYCLI_EXECUTION_ID"}
    assert environment["MINE"] == "1"
    assert environment["FROM_THE_IMAGE"] == "kept"
    assert environment["HOME"] == str(container.tmp)
    made_by_shells = {"PWD", "OLDPWD", "SHLVL", "_"}
    ours_and_theirs = {"MYCLI_EXECUTION_ID", "MINE", "FROM_THE_IMAGE", "HOME", "PATH", "TMPDIR"}
    assert set(environment) - made_by_shells == ours_and_theirs


@every_shell
def test_home_is_kept(shell: str, container: Container) -> None:
    assert container.run(shell, "echo $HOME", HOME="/root").output == "/root\n"


@every_shell
@pytest.mark.parametrize("workdir", ["sub/two words", "-sub", ".//sub", "absolute"])
def test_the_workdir(shell: str, container: Container, workdir: str) -> None:
    if workdir == "absolute":
        workdir = str(container.folder / "elsewhere")
    wanted = container.folder / workdir
    wanted.mkdir(parents=True)
    ended = container.run(shell, "pwd", MYCLI_WORKDIR=workdir, CDPATH="/usr")
    assert ended.output == f"{os.path.normpath(wanted)}\n"


def test_a_folder_that_the_image_does_not_have(container: Container) -> None:
    ended = container.run("dash", "pwd", MYCLI_WORKDIR="/no/such/folder")
    assert ended.exit_code == 125
    assert ended.setup.splitlines()[-2:] == [
        "mycli: there is no folder /no/such/folder",
        "mycli: an absolute workdir is a folder of the image",
    ]


@every_shell
def test_a_workdir_that_is_missing(shell: str, container: Container) -> None:
    ended = container.run(shell, "pwd", MYCLI_WORKDIR="infra/prod")
    assert ended.exit_code == 125
    assert ended.setup.splitlines()[-2:] == [
        "mycli: there is no folder infra/prod",
        f"mycli: the workdir is relative to {container.folder}",
    ]
    assert "cd:" not in ended.setup
    assert begin_marker(EXECUTION_ID) not in ended.log


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
@every_shell
def test_a_workdir_that_may_not_be_entered(shell: str, container: Container) -> None:
    (container.folder / "closed").mkdir(mode=0o700)
    without_power = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    os.chown(container.folder / "closed", 65534, 65534)
    running = container.start(shell, "pwd", prefix=without_power, MYCLI_WORKDIR="closed")
    ended = running.end()
    assert ended.exit_code == 125
    assert "mycli: the folder closed cannot be entered\n" in ended.setup
    assert "cd:" not in ended.setup


@every_shell
@pytest.mark.skipif(not can_unshare(), reason="unshare cannot make a process namespace here")
def test_as_process_1_of_a_container(shell: str, container: Container) -> None:
    command = "sleep 60 & tr '\\0' '\\n' </proc/1/cmdline | head -n 1; exit 6"
    ended = container.start(shell, command, prefix=UNSHARE).end()
    assert ended.exit_code == 6
    assert ended.output == f"{container.sh(shell)}\n"


@every_shell
def test_a_shell_without_a_way_to_make_a_process_group(shell: str, container: Container) -> None:
    # Neither job control nor setsid: the command runs, and can be stopped, all the same.
    text = SCRIPT.read_text("utf-8")
    poorer = text.replace("set -m\n", ":\n").replace("command -v setsid", "false")
    assert poorer.count("command -v setsid") == poorer.count("set -m\n") == 0
    running = container.start(
        shell, "echo hi; exec sleep 60", script=poorer, MYCLI_TIMEOUT_SECONDS="1"
    )
    ended = running.end()
    assert ended.exit_code == 124
    assert ended.output.startswith("hi\n")


def test_quoting_of_exact_arguments(container: Container) -> None:
    command = shlex.join(["printf", "%s|", "a", "b c", "$HOME", "it's", ""])
    assert container.run("bash", command).output == "a|b c|$HOME|it's||"
