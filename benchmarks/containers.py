"""A container engine beside which a local task can be measured, where one answers."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Generator
from pathlib import Path

from benchmarks import measure
from benchmarks.bench import Bench
from benchmarks.measure import Ran

IMAGE = "localhost/mycli-benchmark"
BUSYBOX = Path("/bin/busybox")  # Debian's busybox-static: no image can be had without a registry


@contextlib.contextmanager
def runner(bench: Bench) -> Generator[Callable[[], Ran] | None]:
    """What runs `true` in a new container; None where podman does not. The image goes again."""
    podman = shutil.which("podman")
    if not podman or not BUSYBOX.exists():
        yield None
        return
    kept = {n: os.environ[n] for n in ("CONTAINERS_CONF", "XDG_RUNTIME_DIR") if n in os.environ}
    environment = {**bench.environment, **kept, "HOME": str(bench.root / "user")}
    image = bench.root / "image.tar"
    with tarfile.open(image, "w") as layer:
        layer.add(BUSYBOX, "bin/sh")
        layer.add(BUSYBOX, "bin/true")
        layer.addfile(tarfile.TarInfo("etc/passwd"), io.BytesIO())

    def podman_says(*words: str | Path) -> bool:
        ran = subprocess.run([podman, *words], env=environment, capture_output=True, check=False)
        return ran.returncode == 0

    run = (podman, "run", "--rm", "--network=none", IMAGE, "/bin/true")
    if not (podman_says("import", image, IMAGE) and measure.run(run, environment).code == 0):
        yield None
        return
    try:
        yield lambda: measure.run(run, environment)
    finally:
        podman_says("rmi", "--force", IMAGE)
