"""mycli build, and exec on an image that is built: what is done, what is said, what is left."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mycli import config
from mycli.local import place
from tests.conftest import Mycli
from tests.fake_builders import ANSWERS, Tools
from tests.fake_endpoint import KEY, PUSH_PASSWORD, STARTED, Answer, FakeEndpoint, Script
from tests.fake_registry import Registry
from tests.git_project import Project

MYCLI = Path(sys.executable).with_name("mycli")
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
SERVICES = """\
skip_git: true
services:
  api: {dockerfile: api/Dockerfile, paths: [api, shared], args: {A: one}}
  web: {context: web}
"""


class Here:
    """A project of two services, a builder that notes what it is asked, and a stack."""

    def __init__(
        self, project: Project, tools: Tools, endpoint: FakeEndpoint, registry: Registry
    ) -> None:
        self.project, self.tools, self.endpoint, self.registry = project, tools, endpoint, registry
        self.images = endpoint.has_registry(registry.host)
        for action in ("find_built_image", "authorize_push"):
            self._after_pushes(endpoint.script(action), action)
        endpoint.says("exec", STARTED)

    def builder(self, build: str = "", push: str = "") -> None:
        """A podman whose build and push do this, too."""
        script = (
            f"{ANSWERS['podman']}\ncase $1 in build) {build or ':'};; push) {push or ':'};; esac"
        )
        self.tools.add("podman", script)

    def _after_pushes(self, script: Script, action: str) -> None:
        def answer(request: Mapping[str, Any]) -> Answer:
            self.sync()
            return script(request)

        self.endpoint.runs(action, answer)

    def sync(self) -> None:
        """What was pushed is in the registry."""
        for line in self.tools.asked("push"):
            self.push(line.rpartition("/")[2])

    def push(self, name: str) -> None:
        self.images[name] = "sha256:0"
        self.registry.manifests[name] = MANIFEST, f"of {name}".encode()

    def tag(self, service: str) -> str:
        """What it is built as now."""
        [line] = [line for line in self.tools.asked("build") if f"/{service}:" in line][-1:]
        return line.partition(f"/{service}:")[2].split()[0]

    def forget(self) -> None:
        self.sync()
        self.tools.log.unlink(missing_ok=True)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files are, and nothing else."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def here(
    project: Project,
    tools: Tools,
    configured: FakeEndpoint,
    fake_registry: Registry,
    mycli: Mycli,
    monkeypatch: pytest.MonkeyPatch,
) -> Here:
    project.write(".mycli.yaml", SERVICES)
    for name in ("api/Dockerfile", "api/main.py", "shared/lib.py", "web/Dockerfile", "web/main.js"):
        project.write(name)
    project.commit()
    monkeypatch.chdir(project.folder)  # after `mycli`, which has a folder of its own
    here = Here(project, tools, configured, fake_registry)
    here.builder()
    return here


def lines(out: str) -> list[list[str]]:
    return [line.split() for line in out.splitlines()]


# --- mycli build ---------------------------------------------------------------------------------


def test_without_push_it_is_built_here_and_nobody_is_asked(here: Here, mycli: Mycli) -> None:
    ran = mycli("build")
    assert ran.code == 0, ran
    api, web = here.tag("api"), here.tag("web")
    assert lines(ran.out) == [
        ["api", api, "built", f"localhost/mycli/api:{api}"],
        ["web", web, "built", f"localhost/mycli/web:{web}"],
    ]
    assert f"→ Building api:{api} from api/Dockerfile for linux/amd64 (podman)\n" in ran.err
    assert "--build-arg A=one" in here.tools.asked("build")[0]
    assert here.endpoint.seen == []
    assert here.tools.asked("push") == []


def test_what_the_registry_has_is_neither_built_nor_pushed(here: Here, mycli: Mycli) -> None:
    first = mycli("build", "--push")
    assert first.code == 0, first
    assert [line[2] for line in lines(first.out)] == ["pushed", "pushed"]
    assert lines(first.out)[0][3] == f"{here.registry.host}/mycli/api:{here.tag('api')}"
    here.forget()
    again = mycli("build", "--push")
    assert lines(again.out) == [[*line[:2], "unchanged", line[3]] for line in lines(first.out)]
    assert not here.tools.log.exists()
    # A shared path is of one of them only.
    here.project.write("shared/lib.py", "changed")
    here.project.commit()
    assert [line[2] for line in lines(mycli("build", "--push").out)] == ["pushed", "unchanged"]
    ran = mycli("build", "--push", "--arch", "arm64", "web")
    assert [line[2] for line in lines(ran.out)] == ["pushed"]
    assert "--platform linux/arm64" in here.tools.asked("build")[-1]


def test_named_services_once_each_and_in_their_order(here: Here, mycli: Mycli) -> None:
    assert [line[0] for line in lines(mycli("build", "web", "api", "web").out)] == ["web", "api"]
    ran = mycli("build", "wbe")
    assert (ran.code, ran.out) == (2, "")
    assert "has no service 'wbe'\n  did you mean web?" in ran.err


def test_a_second_tag(here: Here, mycli: Mycli) -> None:
    ran = mycli("build", "--push", "--tag", "v1")
    assert ran.code == 0, ran
    host = here.registry.host
    assert [line[3] for line in lines(ran.out)] == [f"{host}/mycli/{s}:v1" for s in ("api", "web")]
    manifests = here.registry.manifests
    assert manifests["api:v1"] == manifests[f"api:{here.tag('api')}"]
    here.forget()
    again = mycli("build", "--push", "--tag", "v2", "--json")
    assert not here.tools.log.exists()
    document = json.loads(again.out)["services"][0]
    assert (document["state"], document["tags"][1]) == ("unchanged", "v2")
    assert manifests["api:v2"] == manifests["api:v1"]


def test_a_tag_that_means_another_image(here: Here, mycli: Mycli) -> None:
    here.registry.manifests["api:v1"] = MANIFEST, b"another"
    ran = mycli("build", "--push", "--tag", "v1")
    assert ran.code == 125
    assert [line[2] for line in lines(ran.out)] == ["failed", "pushed"]
    assert "/mycli/api:v1 is there already, and is another image than" in ran.err


def test_changed_since(here: Here, mycli: Mycli) -> None:
    mycli("build", "--push", "web")
    tag = here.tag("web")
    here.project.git("tag", "before")
    here.project.write("api/main.py", "changed")
    here.project.commit()
    ran = mycli("build", "--push", "--changed-since", "before", "--tag", "v1", "--json")
    assert ran.code == 0, ran
    api, web = json.loads(ran.out)["services"]
    assert (api["state"], web["state"]) == ("pushed", "skipped")
    assert web["tags"] == [tag, "v1"]
    assert here.registry.manifests["web:v1"] == here.registry.manifests[f"web:{tag}"]
    here.forget()
    del here.images[f"web:{tag}"]
    ran = mycli("build", "--push", "--changed-since", "before", "web")
    assert lines(ran.out) == [["web", tag, "skipped", "-"]]
    ran = mycli("build", "--changed-since", "before")
    assert [line[2] for line in lines(ran.out)] == ["built", "skipped"]


def test_a_tag_is_given_to_what_has_not_changed_and_was_never_pushed(
    here: Here, mycli: Mycli
) -> None:
    ran = mycli("build", "--push", "--changed-since", "HEAD", "--tag", "v1", "web")
    assert ran.code == 0, ran
    assert "→ web has not changed, but the registry does not have it\n" in ran.err
    assert [line[2:] for line in lines(ran.out)] == [
        ["pushed", f"{here.registry.host}/mycli/web:v1"]
    ]
    manifests = here.registry.manifests
    assert manifests["web:v1"] == manifests[f"web:{here.tag('web')}"]


def test_what_is_wrong_for_all_is_told_once_before_anything(
    here: Here, mycli: Mycli, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = mycli("build", "--changed-since", "nonsense")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.count("git knows no commit 'nonsense'") == 1
    monkeypatch.setenv("MYCLI_BUILDER", "kaniko")
    ran = mycli("build")
    assert (ran.code, ran.out, ran.err.count("MYCLI_BUILDER is 'kaniko'")) == (2, "", 1)
    monkeypatch.delenv("MYCLI_BUILDER")
    shutil.rmtree(here.project.folder / ".git")
    ran = mycli("build", "--push")
    assert (ran.code, ran.out, ran.err.count("is in no work tree of git")) == (2, "", 1)
    assert not here.tools.log.exists()


def test_what_cannot_be_in_one_service_is_a_failure_only_beside_one(
    here: Here, mycli: Mycli
) -> None:
    here.project.git("rm", "--quiet", "web/Dockerfile")
    here.project.commit()
    ran = mycli("build")
    assert ran.code == 2
    assert [line[2] for line in lines(ran.out)] == ["built", "failed"]
    assert "✗ web: there is no web/Dockerfile\n" in ran.err
    here.builder(build="exit 3")
    assert mycli("build").code == 125


def test_one_that_fails_does_not_hide_the_others(here: Here, mycli: Mycli) -> None:
    here.builder(build='case "$*" in *web*) ;; *) echo no such base >&2; exit 3;; esac')
    ran = mycli("build", "--push")
    assert ran.code == 125
    assert [line[2] for line in lines(ran.out)] == ["failed", "pushed"]
    assert "✗ api: the build failed (podman: exit code 3)\n" in ran.err
    assert all("/mycli/web:" in line for line in here.tools.asked("push"))
    ran = mycli("build", "--push", "--json")
    failed, other = json.loads(ran.out)["services"]
    assert (ran.code, failed["state"], failed["image"]) == (125, "failed", None)
    assert (failed["tag"], failed["tags"], failed["dirty"]) == (here.tag("api"), [], False)
    here.project.write("api/main.py", "changed")
    assert json.loads(mycli("build", "--json").out)["services"][0]["dirty"] is True
    assert "exit code 3" in failed["error"]
    assert other["state"] == "unchanged"


def test_a_push_that_fails(here: Here, mycli: Mycli, temporary: Path) -> None:
    here.endpoint.has_registry(here.registry.host)  # what is refused never gets there
    here.builder(push="exit 125")
    ran = mycli("build", "--push", "web")
    assert (ran.code, lines(ran.out)) == (125, [["web", here.tag("web"), "failed", "-"]])
    assert "✗ web: the push failed (podman: exit code 125)\n" in ran.err
    assert list(temporary.iterdir()) == []


def test_somebody_else_was_quicker(here: Here, mycli: Mycli) -> None:
    here.builder(push="exit 125")  # and yet the registry has it then
    ran = mycli("build", "--push", "web")
    assert ran.code == 0
    assert [line[2] for line in lines(ran.out)] == ["unchanged"]
    assert "from somebody quicker" in ran.err


def test_leave_to_push_is_refused(here: Here, mycli: Mycli) -> None:
    refused = {"error": "mycli/web is not the stack's own", "hint": "rename it"}
    here.endpoint.says("authorize_push", Answer(refused, status=409))
    ran = mycli("build", "--push", "--json", "web")
    assert ran.code == 125
    assert refused.items() <= json.loads(ran.out)["services"][0].items()


def test_the_token_is_in_a_file_for_the_push_only(
    here: Here, mycli: Mycli, temporary: Path, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    here.builder(build=f"ls {temporary} >> {seen}", push=f"ls -l $3 >> {seen}; cat $3 >> {seen}")
    ran = mycli("build", "--push", "web")
    assert ran.code == 0, ran
    built, shown, auth = seen.read_text().split("\n", 2)
    assert built.startswith("mycli-build-")
    assert shown.startswith("-rw------- ")
    assert [*json.loads(auth)["auths"]] == [here.registry.host]
    everything = ran.out + ran.err + here.tools.log.read_text()
    assert PUSH_PASSWORD not in everything
    assert KEY not in everything
    assert list(temporary.iterdir()) == []


def test_docker_reads_the_token_from_a_folder_of_its_own(
    here: Here, mycli: Mycli, temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, seen = tmp_path / "docker", tmp_path / "seen"
    own.mkdir()
    (own / "config.json").write_text('{"credsStore": "desktop", "currentContext": "colima"}')
    monkeypatch.setenv("DOCKER_CONFIG", str(own))
    here.tools.add("podman", ANSWERS["dead"])
    show = f'case "$3" in push) cat "$2/config.json" > {seen};; esac'
    here.tools.add("docker", f"{ANSWERS['docker']}\n{show}")
    ran = mycli("build", "--push", "web")
    assert (ran.code, lines(ran.out)[0][2]) == (0, "pushed"), ran
    settings = json.loads(seen.read_text())
    assert [*settings["auths"]] == [here.registry.host]
    assert (settings["currentContext"], "credsStore" in settings) == ("colima", False)
    [pushed] = here.tools.asked("push")
    assert pushed.startswith(f"--config {temporary}/")
    assert PUSH_PASSWORD not in ran.out + ran.err + here.tools.log.read_text()
    assert list(temporary.iterdir()) == []
    assert [path.name for path in own.iterdir()] == ["config.json"]


def test_what_is_left_out_and_what_is_dirty_is_told(here: Here, mycli: Mycli) -> None:
    here.project.write("web/main.js", "changed")
    for number in range(7):
        here.project.write(f"web/new {number}\n")
    ran = mycli("build", "web")
    assert here.tag("web").endswith("-dirty")
    assert "! web: not as in the last commit: web/main.js. The image has what is here" in ran.err
    assert (
        "! web: not tracked by git, so not in the image: web/new 0\\n, web/new 1\\n, web/new 2\\n, "
        "web/new 3\\n, web/new 4\\n and 2 more\n"
    ) in ran.err


def test_a_huge_context_is_told_with_its_largest_parts(here: Here, mycli: Mycli) -> None:
    with (here.project.folder / "web" / "data.bin").open("wb") as file:
        file.truncate(123_000_000)
    here.project.write("web/media/film", b"x" * 2_000_000)
    here.project.git("config", "core.bigFileThreshold", "1m")
    here.project.git("config", "core.compression", "0")
    here.project.git("add", "--intent-to-add", ".")
    ran = mycli("build", "web")
    assert "! web: 125 MB of files are copied for the build, most of it data.bin 123 MB" in ran.err
    assert "media/ 2 MB" in ran.err
    assert "`paths`" in ran.err
    assert ".dockerignore" in ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tag", "v1"], "--tag goes with --push"),
        (["--push", "--tag", "-x"], "--tag is '-x'"),
        (["--push", "--tag", "a/b"], "letters, digits"),
        (["--arch", "amd64"], "arch is 'amd64'\n  it must be x86_64 or arm64"),
    ],
)
def test_what_cannot_be(words: list[str], said: str, here: Here, mycli: Mycli) -> None:
    ran = mycli("build", *words)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert not here.tools.log.exists()


def test_nothing_to_build(mycli: Mycli) -> None:
    ran = mycli("build")
    assert ran.code == 2
    assert "there is no .mycli.yaml here\n  `mycli init-project`" in ran.err
    Path(".mycli.yaml").write_text("image: x")
    assert "has neither build nor services" in mycli("build").err


def test_no_builder(here: Here, mycli: Mycli) -> None:
    here.tools.add("podman", ANSWERS["dead"])
    ran = mycli("build", "--push", "web")
    assert ran.code == 125
    assert "nothing here can build an image: docker is not on PATH, podman does not" in ran.err
    here.builder()
    mycli("build", "--push", "web")
    here.tools.add("podman", ANSWERS["dead"])
    assert mycli("build", "--push", "web").code == 0  # what is there needs none


# --- mycli exec ----------------------------------------------------------------------------------


def asked_for(here: Here) -> tuple[str, str]:
    sent = here.endpoint.asked("exec")[-1]
    return sent["image"], sent["arch"]


def test_exec_runs_on_what_is_here(here: Here, mycli: Mycli) -> None:
    ran = mycli("exec", "--service", "api", "true")
    assert ran.code == 0, ran
    address = f"{here.registry.host}/mycli/api:{here.tag('api')}"
    assert asked_for(here) == (address, "x86_64")
    assert f"→ Image: {address} (built from api/Dockerfile, just pushed)\n" in ran.err
    here.forget()
    ran = mycli("exec", "--json", "--service", "api", "true")
    assert f"→ Image: {address} (built from api/Dockerfile, unchanged)\n" in ran.err
    built = json.loads(ran.out)["built"]
    assert (built["service"], built["state"], built["image"]) == ("api", "unchanged", address)
    assert not here.tools.log.exists()
    mycli("exec", "--service", "web", "--arch", "arm64", "true")
    assert asked_for(here)[1] == "arm64"
    assert "--platform linux/arm64" in here.tools.asked("build")[0]


def test_the_one_image_of_a_project_is_what_exec_runs_on(here: Here, mycli: Mycli) -> None:
    here.project.write(".mycli.yaml", "skip_git: true\nbuild: {name: tool, context: web}\n")
    here.project.commit()
    ran = mycli("exec", "true")
    assert asked_for(here)[0].endswith(f"/mycli/tool:{here.tag('tool')}")
    assert "→ Service: tool (from .mycli.yaml)\n" in ran.err
    mycli("exec", "--image", "alpine", "true")
    assert here.endpoint.asked("exec")[-1]["image"] == "alpine"


def test_image_tag_means_what_a_pipeline_has_built(
    here: Here, mycli: Mycli, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.push("api:v1")
    monkeypatch.setenv("IMAGE_TAG", "v1")
    ran = mycli("exec", "--service", "api", "true")
    assert asked_for(here) == (f"{here.registry.host}/mycli/api:v1", "x86_64")
    assert "/mycli/api:v1 (service api, by IMAGE_TAG)\n" in ran.err
    assert not here.tools.log.exists()
    ran = mycli("exec", "--service", "web", "true")
    assert (ran.code, len(here.endpoint.asked("exec"))) == (125, 1)
    assert "✗ IMAGE_TAG is v1, and the stack has no image web:v1\n" in ran.err
    assert "`mycli build web --push --tag v1`" in ran.err
    monkeypatch.setenv("IMAGE_TAG", "a/b")
    assert mycli("exec", "--service", "api", "true").code == 2
    monkeypatch.setenv("IMAGE_TAG", "v1")
    assert "IMAGE_TAG is for `mycli exec`" in mycli("build", "web").err


def test_beside_a_clone_what_is_not_committed_is_warned_of_once(here: Here, mycli: Mycli) -> None:
    here.project.git("remote", "add", "origin", "https://github.com/user/infra")
    here.project.write(".mycli.yaml", SERVICES.replace("skip_git: true\n", ""))
    here.project.commit()
    here.project.write("web/main.js", "changed")
    ran = mycli("exec", "--service", "web", "true")
    assert ran.code == 0, ran
    assert ran.err.count("not committed:") == 1
    assert "! 1 file is not committed: the clone has none of it, the image has" in ran.err
    assert "→ web: not committed, and in the image: web/main.js\n" in ran.err
    assert "as in the last commit" not in ran.err


@pytest.mark.parametrize("runtime", ["process", "container"])
def test_where_tasks_are_processes_nothing_is_built_for_them(
    runtime: str, here: Here, mycli: Mycli
) -> None:
    about = {"account_id": "1", "region": "us-east-2", "access_key_id": "", "secret_access_key": ""}
    account = {**about, "port": 1, "runtime": runtime, "daemon_secret": "of this daemon"}
    config.write_private(place.place().account, json.dumps(account).encode())
    with FakeEndpoint("of this daemon") as daemon:
        config.save_profile(daemon.profile)
        daemon.has_registry(here.registry.host)
        daemon.says("exec", STARTED)
        ran = mycli("exec", "--service", "web", "true")
        images = [asked.get("image") for asked in daemon.asked("exec")]
    if runtime == "process":
        assert (ran.code, images) == (0, [None]), ran
        assert "! tasks are processes of this machine, in no image: that of web is not" in ran.err
        assert not here.tools.log.exists()
    else:
        assert here.tools.asked("build")


def test_what_cannot_run_is_not_built_for(here: Here, mycli: Mycli) -> None:
    for words in (["--timeout", "0"], ["--arch", "amd64"], ["--cpu", "256"]):
        assert mycli("exec", "--service", "api", *words, "true").code == 2
    assert not here.tools.log.exists()


def test_an_image_that_cannot_be_had_starts_nothing(here: Here, mycli: Mycli) -> None:
    here.builder(build="exit 1")
    ran = mycli("exec", "--json", "--service", "web", "true")
    assert ran.code == 125
    assert "the build failed" in json.loads(ran.out)["error"]
    assert here.endpoint.asked("exec") == []
    assert here.endpoint.asked("authorize_push") == []


# --- Interrupted ---------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["build", "push"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_nothing(
    stage: str, number: signal.Signals, here: Here, temporary: Path, tmp_path: Path
) -> None:
    up = tmp_path / "up"
    ends = "trap 'echo its own; exit 1' TERM"
    here.builder(**{stage: f"{ends}; touch {up}; while :; do sleep 0.05; done"})
    process = subprocess.Popen(
        [MYCLI, "exec", "--service", "web", "true"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 30
    while not up.exists():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    assert len(list(temporary.iterdir())) == 1
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (128 + number, "")
    assert "Traceback" not in err
    last = {"build": "web was not built", "push": "the push of web may not be complete"}[stage]
    assert err.endswith(f"its own\n✗ interrupted: {last}; run it again\n")
    assert list(temporary.iterdir()) == []
    assert here.endpoint.asked("exec") == []
