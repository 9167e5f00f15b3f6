"""The virtual Pi for this suite: built once (cached), a fielded unit for each module that asks for one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.agency.agency import Agency
from hw_sim.virtual_pi import cli, image
from hw_sim.virtual_pi.cache import Cache, Steps, cache_root
from hw_sim.virtual_pi.fielded import FieldedUnit
from hw_sim.virtual_pi.machine import Parts, VirtualPi
from hw_sim.virtual_pi.product import build_deb
from tests.support import require_program


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of a file are one story and stay in its order, whatever pytest-randomly did with them."""
    here = Path(__file__).parent
    places = [index for index, item in enumerate(items) if here in item.path.parents]
    ours = sorted((items[index] for index in places), key=lambda item: (str(item.path), item.location[1] or 0))
    for index, item in zip(places, ours, strict=True):
        items[index] = item


@dataclass(frozen=True, slots=True)
class Images:
    kernel: Path
    root: Path
    deb: Path


@pytest.fixture(scope="session")
def images() -> Images:
    """Kernel and installed image of this checkout; ``VIRTUAL_PI_DEB`` names a package built before."""
    for program in ("mmdebstrap", "passt", "flex", "bison", "debugfs", "mosquitto"):
        require_program(program)
    cache = Cache(cache_root(os.environ), Steps(SystemClock(), click.echo))
    deb = os.environ.get("VIRTUAL_PI_DEB")
    package = Path(deb) if deb else build_deb(cache)
    kernel, unit = cli.build_all(cache, package)
    return Images(kernel, unit / "root.ext4", package)


@pytest.fixture(scope="module")
def fielded(
    images: Images, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[FieldedUnit]:
    """Booted, enrolled, started. ``OVERRIDES`` of the module: of its configuration. When a test of the module failed,
    ``VIRTUAL_PI_KEEP`` (a folder) keeps its consoles."""
    folder = tmp_path_factory.mktemp("virtual-pi")
    disk = folder / "data.ext4"
    image.make_data_disk(disk, 1024, folder / "mke2fs.log")
    clock = SystemClock()
    with (
        Agency(folder / "agency") as agency,
        VirtualPi(Parts(images.kernel, images.root, (disk,)), folder / "machine", clock) as pi,
    ):
        pi.boot()
        unit = FieldedUnit(pi, agency)
        unit.enrol(getattr(request.module, "OVERRIDES", None))
        unit.start()
        yield unit
        keep = os.environ.get("VIRTUAL_PI_KEEP")
        if keep:
            if pi.running:
                (folder / "journal.txt").write_text(pi.sh("journalctl --no-pager -o short-monotonic"), encoding="utf-8")
            shutil.copytree(
                folder,
                Path(keep) / folder.name,
                dirs_exist_ok=True,
                ignore=shutil.ignore_patterns("*.ext4", "*.cow", "mconsole"),
            )
