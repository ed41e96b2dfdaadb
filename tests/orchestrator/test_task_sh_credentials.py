"""The git tokens of task.sh: who gets them, and that nothing of them is left."""

from __future__ import annotations

import secrets

import pytest

from orchestrator.wire import begin_marker
from tests.git_server import Repository, serve
from tests.task_script import (
    EXECUTION_ID,
    UNSHARE,
    Container,
    can_unshare,
    every_shell,
)

TOKEN = "s3cret-canary"
ODD_TOKEN = """a'b"c$d`e\\n%s!&"""


@every_shell
@pytest.mark.parametrize("token", [TOKEN, ODD_TOKEN])
@pytest.mark.parametrize(("site", "user"), [("GITHUB", "x-access-token"), ("GITLAB", "oauth2")])
def test_a_private_repository_is_cloned_with_the_token_of_its_site(
    shell: str, container: Container, repository: Repository, site: str, user: str, token: str
) -> None:
    with serve(repository.path.parent, f"{user}:{token}") as url:
        ended = container.run(
            shell,
            "cat where.txt; cat .git/config",
            MYCLI_REPO=f"{url}/sample.git",
            **{f"MYCLI_{site}_HOST": url.removeprefix("http://"), f"MYCLI_{site}_TOKEN": token},
        )
    assert ended.output.startswith("third\n")
    assert token not in ended.log
    assert "credential" not in ended.output


@every_shell
def test_each_of_two_tokens_goes_to_its_own_host(
    shell: str, container: Container, repository: Repository
) -> None:
    seen: list[str] = []
    with (
        serve(repository.path.parent, "x-access-token:one") as github,
        serve(repository.path.parent, "oauth2:two", seen=seen) as gitlab,
    ):
        ended = container.run(
            shell,
            "cat where.txt",
            MYCLI_REPO=f"{gitlab}/sample.git",
            MYCLI_GITHUB_HOST=github.removeprefix("http://"),
            MYCLI_GITHUB_TOKEN="one",
            MYCLI_GITLAB_HOST=gitlab.removeprefix("http://"),
            MYCLI_GITLAB_TOKEN="two",
        )
    assert ended.output == "third\n"
    assert set(seen) == {"oauth2:two"}


@every_shell
@pytest.mark.parametrize("host", [None, "127.0.0.1", "127.0.0.1:1", "localhost:{port}", ""])
def test_a_token_goes_to_no_other_host_or_port(
    shell: str, container: Container, repository: Repository, host: str | None
) -> None:
    seen: list[str] = []
    with serve(repository.path.parent, f"x-access-token:{TOKEN}", seen=seen) as url:
        port = url.rpartition(":")[2]
        ended = container.run(
            shell,
            "true",
            MYCLI_REPO=f"{url}/sample.git",
            MYCLI_GITHUB_HOST=host and host.format(port=port),
            MYCLI_GITHUB_TOKEN=TOKEN,
        )
    assert ended.exit_code == 125
    assert "mycli: the server asks for a token, and this stack has none for it\n" in ended.setup
    assert seen == []


def test_a_token_does_not_go_over_http_where_only_https_is_allowed(
    container: Container, repository: Repository
) -> None:
    seen: list[str] = []
    with serve(repository.path.parent, f"x-access-token:{TOKEN}", seen=seen) as url:
        ended = container.run(
            "dash",
            "true",
            MYCLI_GIT_PROTOCOLS="https:ssh",
            MYCLI_REPO=f"{url}/sample.git",
            MYCLI_GITHUB_HOST=url.removeprefix("http://"),
            MYCLI_GITHUB_TOKEN=TOKEN,
        )
    assert ended.exit_code == 125
    assert seen == []


@every_shell
@pytest.mark.parametrize(
    ("token", "sentence"),
    [
        ("", "the server asks for a token, and this stack has none for it"),
        ("wrong", "the server refused the stack's git credentials"),
    ],
)
def test_a_token_that_is_missing_or_wrong(
    shell: str, container: Container, repository: Repository, token: str, sentence: str
) -> None:
    with serve(repository.path.parent, f"x-access-token:{TOKEN}") as url:
        ended = container.run(
            shell,
            "true",
            MYCLI_REPO=f"{url}/sample.git",
            MYCLI_GITHUB_HOST=url.removeprefix("http://"),
            MYCLI_GITHUB_TOKEN=token,
        )
    assert ended.exit_code == 125
    assert f"mycli: {sentence}\n" in ended.setup
    assert begin_marker(EXECUTION_ID) not in ended.log
    assert list(container.tmp.iterdir()) == []


@every_shell
def test_nothing_of_the_image_is_asked_for_a_password(
    shell: str, container: Container, repository: Repository
) -> None:
    asked = container.folder / "asked"
    programs = container.programs(askpass=f'echo >"{asked}"; echo password=guess')
    askpass = f"{programs}/askpass"
    (container.folder / "home").mkdir()
    netrc = container.folder / "home" / ".netrc"
    netrc.write_text(f"machine 127.0.0.1 login x-access-token password {TOKEN}\n")
    with serve(repository.path.parent, f"x-access-token:{TOKEN}") as url:
        ended = container.run(
            shell,
            "true",
            MYCLI_REPO=f"{url}/sample.git",
            GIT_ASKPASS=askpass,
            SSH_ASKPASS=askpass,
            DISPLAY=":0",
            GIT_CONFIG_COUNT="1",
            GIT_CONFIG_KEY_0="credential.helper",
            GIT_CONFIG_VALUE_0=askpass,
        )
    assert ended.exit_code == 125
    assert not asked.exists()


@every_shell
def test_the_command_finds_no_credential_anywhere(
    shell: str, container: Container, repository: Repository
) -> None:
    token = f"{secrets.token_hex(8)}-canary"  # another test could have our usual one just now
    # The pattern must not match the command line that holds it.
    search = (
        f"grep -rs '{token[:-1]}[y]' . /proc/[0-9]*/environ /proc/[0-9]*/cmdline"
        ' "$TMPDIR" "$HOME" | wc -l; tr "\\0" "\\n" </proc/$PPID/environ | grep -c MYCLI_COMMAND'
    )
    with serve(repository.path.parent, f"x-access-token:{token}") as url:
        ended = container.run(
            shell,
            search,
            MYCLI_REPO=f"{url}/sample.git",
            MYCLI_GITHUB_HOST=url.removeprefix("http://"),
            MYCLI_GITHUB_TOKEN=token,
            MYCLI_GITLAB_TOKEN=f"{token}-gitlab",
            MYCLI_SSH_PRIVATE_KEY=f"{token}-key",
        )
    assert ended.output == "0\n1\n"
    assert token not in ended.log


@pytest.mark.skipif(not can_unshare(), reason="unshare cannot make a process namespace here")
@every_shell
def test_the_environment_of_process_1_holds_no_credential(
    shell: str, container: Container, repository: Repository
) -> None:
    ended = container.start(
        shell,
        'tr "\\0" "\\n" </proc/1/environ | sed "s/=.*//"',
        prefix=UNSHARE,
        MYCLI_REPO=f"file://{repository.path}",
        MYCLI_GITHUB_TOKEN="one",
        MYCLI_GITLAB_TOKEN="two",
        MYCLI_SSH_PRIVATE_KEY="three",
    ).end()
    names = ended.output.splitlines()
    assert "MYCLI_COMMAND" in names  # it is process 1 that was looked at
    assert not [name for name in names if "TOKEN" in name or "KEY" in name or "GIT" in name]
