"""Making the stack: `mycli init`, beside the plain engine on the same program."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks import measure
from benchmarks.bench import MYCLI, ROOT, Bench
from benchmarks.figures import Figure, Row, Target, ratio
from benchmarks.measure import Ran
from mycli.errors import StackError
from mycli.stack import package, wheel
from tests.engine.conftest import Cloud, new_cloud
from tests.engine.moto_server import REGION

ALIKE = 1.1
OURS, PLAIN = "mycli init", "pulumi up"
_HASHED = "$2b$10$" + "h" * 53


def measured(bench: Bench) -> Row:
    row = Row(
        "init",
        "Init",
        "The stack of 30-odd resources, made by the real Pulumi engine in an account of moto's, in"
        " which our own resources stand for the vendor's plugin. `mycli init --force --state file`"
        " also draws the key, builds the zip and makes the state; beside it `pulumi up --yes` on"
        " Pulumi.yaml, whose stack, configuration and zip are there already. Each in an account"
        " and a home of its own, in turns.",
    )
    figures = dict.fromkeys((OURS, PLAIN))
    lacking = [name for name in ("pulumi", "pulumi-language-python") if not shutil.which(name)]
    if lacking:
        row.notes.append(f"Not measured: there is no {' and no '.join(lacking)} on PATH.")
    else:
        wheels = bench.root / "wheels"
        try:
            bcrypt = package.function_bcrypt(wheels, lambda _: None)
        except StackError as error:
            row.notes.append(f"Not measured: {error.message}.")
        else:
            found = _in_turns(bench, wheels / wheel.NAME, bcrypt)
            figures = {
                OURS: Figure(OURS, "s", found[OURS]),
                PLAIN: Figure(PLAIN, "s", found[PLAIN], "peer"),
            }
    row.figures += [figure for figure in figures.values() if figure]
    row.targets.append(Target(f"{OURS}, of {PLAIN}", ratio(figures[OURS], figures[PLAIN]), ALIKE))
    return row


def _in_turns(bench: Bench, wheel_file: Path, bcrypt: Path) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {OURS: [], PLAIN: []}
    acts = {OURS: _with_mycli, PLAIN: _with_pulumi}
    for turn in range(bench.pick(3, 1)):
        for name, act in acts.items():
            place = bench.root / f"init-{turn}-{name.partition(' ')[0]}"
            place.mkdir()
            with new_cloud(place, wheel_file) as cloud:
                ran = act(bench, cloud, place, bcrypt)
            if ran.code:
                raise RuntimeError(f"{name} ended with {ran.code}")
            seconds[name].append(ran.wall)
    return seconds


def _environment(bench: Bench, cloud: Cloud) -> dict[str, str]:
    return {**cloud.process_environment(), **bench.environment, "MYCLI_HOME": str(cloud.home())}


def _with_mycli(bench: Bench, cloud: Cloud, _place: Path, _bcrypt: Path) -> Ran:
    words = ("init", "--force", "--state", "file", "--region", REGION)
    return measure.run((MYCLI, *words), _environment(bench, cloud))


def _with_pulumi(bench: Bench, cloud: Cloud, place: Path, bcrypt: Path) -> Ran:
    """A copy of the repository, as Pulumi.yaml is looked for there and settings are written."""
    repository, function = place / "repository", place / "function.zip"
    repository.mkdir()
    (repository / ".venv").symlink_to(sys.prefix)
    for name in ("mycli", "orchestrator"):
        shutil.copytree(ROOT / name, repository / name)
    shutil.copy(ROOT / "Pulumi.yaml", repository)
    package.build(function, bcrypt)
    environment = {
        **_environment(bench, cloud),
        "PULUMI_HOME": str(place / "pulumi"),
        "PULUMI_BACKEND_URL": f"file://{place}",
        "PULUMI_CONFIG_PASSPHRASE": "a passphrase",
        "PULUMI_SKIP_UPDATE_CHECK": "1",
    }
    pulumi = (str(shutil.which("pulumi")), "--non-interactive")
    plain = (f"aws:region={REGION}", "api_key_sha256_prefix=0123abcd", f"function_zip={function}")
    flags = [word for value in plain for word in ("--plaintext", value)]
    for words in (
        ("stack", "init", "mycli"),
        ("config", "set-all", "--secret", f"api_key_hash={_HASHED}", *flags),
    ):
        subprocess.run(
            [*pulumi, *words], cwd=repository, env=environment, capture_output=True, check=True
        )
    return measure.run((*pulumi, "up", "--yes"), environment, folder=str(repository))
