"""The real engine, the real SDK and a real state; moto for AWS; our resources for the provider.

Skipped where there is no `pulumi` on PATH. Nothing is downloaded and no AWS is asked.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mycli.stack.automation import Settings, Stack, Up
from mycli.stack.registries import RegistryLogin
from tests.engine.moto_server import REGION, MotoServer
from tests.engine.provider import Hook, Provider, Step
from tests.local.inventory import inventory

ROOT = Path(__file__).parents[2]
TOKEN = "ghp_0123456789abcdefghij"
REGISTRY_PASSWORD = "ghp_registry_0123456789"
API_KEY = "sk_live_" + "0123456789abcdef" * 4


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if shutil.which("pulumi"):
        return
    skip = pytest.mark.skip(reason="the engine tier needs a `pulumi` on PATH")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(skip)


@pytest.fixture(scope="session", autouse=True)
def packages() -> None:
    """Load what the program uses of pulumi_aws, which warns of itself when it is first loaded."""
    import pulumi_aws

    names = "apigateway cloudwatch dynamodb ec2 ecs iam lambda_ secretsmanager ssm"
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        for name in names.split():
            hasattr(getattr(pulumi_aws, name), "loaded")  # lazy until it is asked for something


@dataclass
class Cloud:
    """An account with what reaches it. environment: what makes a process take it for AWS.

    before: what was in the account when it was new.
    """

    account: MotoServer
    provider: Provider
    bcrypt_wheel: Path
    root: Path
    environment: dict[str, str] = field(default_factory=dict[str, str])
    before: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def has(self) -> dict[str, list[str]]:
        """All that is in the account now and was not in it when it was new."""
        now = all_of(self.account)
        return {
            kind: sorted(set(found) - set(self.before[kind]))
            for kind, found in now.items()
            if found != self.before[kind]
        }

    def home(self, name: str = "home") -> Path:
        """A user's machine: its MYCLI_HOME, with what the function needs fetched already."""
        home = self.root / name
        if not home.exists():
            (home / "cache").mkdir(parents=True)
            shutil.copy(self.bcrypt_wheel, home / "cache")
        return home

    @contextlib.contextmanager
    def entered(self, home: Path | None = None) -> Generator[None]:
        """In it, this process is on that machine, and takes the account for AWS."""
        with pytest.MonkeyPatch.context() as patch:
            for name in os.environ:
                if name.startswith(("AWS_", "PULUMI_")):
                    patch.delenv(name)
            for name, value in self.environment.items():
                patch.setenv(name, value)
            patch.setenv("MYCLI_HOME", str(home or self.home()))
            yield

    def process_environment(self, home: Path | None = None) -> dict[str, str]:
        """All that a process on that machine needs."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return {**kept, **self.environment, "MYCLI_HOME": str(home or self.home())}

    def child(
        self, *words: str, state: str = "", code: Path | None = None
    ) -> subprocess.Popen[str]:
        """tests/engine/child.py, the first process of a session. code: a folder with another
        orchestrator in it, that of a newer mycli.
        """
        path = os.pathsep.join(str(folder) for folder in (code, ROOT) if folder)
        return subprocess.Popen(
            [sys.executable, "-m", "tests.engine.child", *words],
            cwd=self.root,
            env={**self.process_environment(), "PYTHONPATH": path, "STATE": state},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )

    def run_task(self, family: str = "mycli-task") -> None:
        """An execution of the stack mycli that runs until it is stopped."""
        of = self.account.clients
        ours = [{"Name": "tag:mycli:stack", "Values": ["mycli"]}]
        subnet = of("ec2").describe_subnets(Filters=ours)["Subnets"][0]["SubnetId"]
        network = {"awsvpcConfiguration": {"subnets": [subnet], "securityGroups": []}}
        of("ecs").run_task(
            cluster="mycli-cluster", taskDefinition=family, networkConfiguration=network
        )

    def at(self, title: str, act: Callable[[], object], *, after: bool = False) -> None:
        """Do it once, just before or after the step of that title, such as `create Vpc vpc`."""
        waiting = [act]

        def hook(step: Step) -> None:
            if step.title == title and waiting:
                waiting.pop()()

        self._hook(hook, after)

    def at_number(self, number: int, act: Callable[[], object], *, after: bool) -> None:
        """Do it once, just before or after so many steps were begun or done; reads do not count."""
        steps: list[Step] = []

        def hook(step: Step) -> None:
            if step.operation != "read":
                steps.append(step)
                if len(steps) == number:
                    act()

        self._hook(hook, after)

    def undisturbed(self) -> None:
        """From now on nothing is done before or after a step."""
        self.provider.before = self.provider.after = lambda _: None

    def _hook(self, hook: Hook, after: bool) -> None:
        self.undisturbed()
        if after:
            self.provider.after = hook
        else:
            self.provider.before = hook


def all_of(account: MotoServer) -> dict[str, list[str]]:
    """Also where states are kept."""
    buckets = account.clients("s3").list_buckets()["Buckets"]
    return {**inventory(account.clients), "buckets": [bucket["Name"] for bucket in buckets]}


def processes(session: int) -> dict[int, str]:
    """Of the session that a child is the first process of, those that have not ended, and their
    names.
    """
    found: dict[int, str] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            pid, _, rest = stat.read_text().partition(" (")
            name, _, numbers = rest.rpartition(")")
            state, _, _, its_session = numbers.split()[:4]
            if int(its_session) == session and state != "Z":
                found[int(pid)] = name
    return found


def kill(session: int) -> None:
    """Kill every process of the session, as a power cut would."""
    for pid in processes(session):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def new_cloud(root: Path, bcrypt_wheel: Path) -> Generator[Cloud]:
    account = MotoServer()
    provider = Provider(account.clients)
    environment = {
        "AWS_ENDPOINT_URL": account.url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PULUMI_DEBUG_PROVIDERS": f"aws:{provider.port}",
        # A plugin that is looked for all the same is an error, and no download.
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }
    before = all_of(account)
    yield Cloud(account, provider, bcrypt_wheel, root, environment, before)
    provider.close()
    account.close()


@pytest.fixture
def cloud(tmp_path: Path, bcrypt_wheel: Path) -> Iterator[Cloud]:
    """A new account, and a new machine that this process is on."""
    with new_cloud(tmp_path, bcrypt_wheel) as cloud, cloud.entered():
        yield cloud


@dataclass(frozen=True)
class Standing:
    """A stack with a git credential and a registry's login that a test leaves as it was. told: what
    up said of it.
    """

    cloud: Cloud
    made: Up
    told: list[str]


@pytest.fixture(scope="session")
def made_once(
    tmp_path_factory: pytest.TempPathFactory, bcrypt_wheel: Path, packages: None
) -> Iterator[Standing]:
    told: list[str] = []
    with new_cloud(tmp_path_factory.mktemp("cloud"), bcrypt_wheel) as cloud:
        with cloud.entered():
            settings = Settings(
                api_key=API_KEY,
                credentials={"github_token": TOKEN},
                registries={"ghcr.io": RegistryLogin(username="me", password=REGISTRY_PASSWORD)},
            )
            made = Stack("mycli").up(settings, told.append)
        yield Standing(cloud, made, told)
        with cloud.entered():
            gone = Stack("mycli").destroy()
        assert gone.leftovers == []
        assert gone.state_removed
        assert cloud.has() == {}


@pytest.fixture
def standing(made_once: Standing) -> Iterator[Standing]:
    with made_once.cloud.entered():
        made_once.cloud.provider.steps.clear()
        yield made_once
