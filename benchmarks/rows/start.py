"""Start-up: what a user waits for before anything of his is done."""

from __future__ import annotations

from benchmarks import measure
from benchmarks.bench import MYCLI, PYTHON, Bench
from benchmarks.figures import Figure, Row, Target, Whose, ratio
from tests.fake_endpoint import ID, STATUS, FakeEndpoint

OF_PYTHON = {"mycli --help": 8, "mycli status ID": 20}
AHEAD = 3


def measured(bench: Bench) -> Row:
    row = Row(
        "start",
        "Start",
        "Wall time and CPU of a whole process. `status` asks an endpoint on this machine that knows"
        " the answer. Everything is compiled, and no home has any configuration but mycli's own.",
    )
    with FakeEndpoint() as endpoint:
        endpoint.says("status", STATUS)
        reached = {
            "MYCLI_API_ENDPOINT": endpoint.url,
            "MYCLI_API_KEY": endpoint.profile.api_key,
        }
        commands: dict[str, tuple[Whose, measure.Command]] = {
            "python -c pass": ("floor", (PYTHON, "-c", "pass")),
            "mycli --help": ("ours", (MYCLI, "--help")),
            "mycli --version": ("ours", (MYCLI, "--version")),
            "mycli status ID": ("ours", (MYCLI, "status", ID)),
        }
        if bench.peers.aws:
            commands["aws --version"] = ("peer", (bench.peers.aws, "--version"))
        if bench.peers.modal:
            commands["modal --help"] = ("peer", (bench.peers.modal, "--help"))
        environment = {**bench.environment, **reached}
        runs = measure.in_turns(
            {
                name: lambda command=command: measure.run(command, environment)
                for name, (_, command) in commands.items()
            },
            bench.pick(20, 5),
            warm_up=2,
        )
    wall = {
        name: Figure(name, "ms", [ran.wall * 1000 for ran in runs[name]], whose)
        for name, (whose, _) in commands.items()
    }
    row.figures += wall.values()
    row.figures += [
        Figure(name, "ms CPU", [ran.cpu * 1000 for ran in runs[name]], whose)
        for name, (whose, _) in commands.items()
    ]
    peers = [figure for figure in wall.values() if figure.whose == "peer"]
    faster = min(peers, key=lambda figure: figure.median, default=None)
    for name, limit in OF_PYTHON.items():
        of_python = ratio(wall[name], wall["python -c pass"])
        row.targets.append(Target(f"{name}, of bare Python", of_python, limit))
    for name in OF_PYTHON:
        what = f"{faster.of if faster else 'a peer'}, of {name}"
        row.targets.append(Target(what, ratio(faster, wall[name]), AHEAD, at_least=True))
    return row
