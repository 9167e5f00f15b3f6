"""The disk of the virtual Pi: Debian trixie with what Raspberry Pi OS adds, our guest files, the kernel's modules.

Three layers, each cached by the digest of its inputs, since each takes less long and changes more often than the one below:
the system (mmdebstrap and pip), the image (ext4, made from a folder without mounting anything) and the installed image (the
project's own package installed by the guest's own dpkg under its running systemd).
"""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path
from typing import Final

from hw_sim.virtual_pi import kernel
from hw_sim.virtual_pi.cache import Cache, digest
from hw_sim.virtual_pi.commands import run
from hw_sim.virtual_pi.debian import SUITE, mirror, source_lines
from hw_sim.virtual_pi.errors import VirtualPiError
from hw_sim.virtual_pi.machine import SHARE, Parts, VirtualPi
from hw_sim.virtual_pi.product import last_deb

GUEST: Final = Path(__file__).parent / "guest"
ROOT_SIZE: Final = "4G"
DATA_LABEL: Final = "recorder-data"
ENABLED: Final = ("virtual-pi-board.service", "virtual-pi-agent.service", "systemd-networkd.service")
MASKED: Final = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "getty@tty1.service",
    "systemd-networkd-wait-online.service",
    "systemd-pcrlock-make-policy.service",
)
"""What would only cost the boot time, or start by itself in the middle of a measurement."""

_CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


def names(listing: Path) -> list[str]:
    lines = (line.strip() for line in listing.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def build(cache: Cache, kernel_folder: Path) -> Path:
    """The folder with ``root.ext4``: boots, and knows nothing of the recorder yet. Raises VirtualPiError."""
    if os.geteuid() != 0:
        raise VirtualPiError("构建镜像需要 root 权限 building the image needs root: its files belong to many users")
    return cache.entry("image", _image_key(kernel_folder), lambda folder: _build_image(cache, kernel_folder, folder))


def install(cache: Cache, kernel_folder: Path, image: Path, deb: Path) -> Path:
    """The folder with a ``root.ext4`` on which ``deb`` is installed, and ``install.log``. Raises VirtualPiError."""
    key = digest("1", image.name, deb)
    return cache.entry("unit", key, lambda folder: _install(cache, kernel_folder, image, deb, folder))


def in_use(cache: Cache) -> list[Path]:
    """The entries the present sources would find, and the last package; installed images are made anew in seconds."""
    kernel_folder = cache.root / f"kernel-{kernel.key()}"
    return [
        kernel_folder,
        cache.root / f"system-{_system_key()}",
        cache.root / f"image-{_image_key(kernel_folder)}",
        *last_deb(cache),
    ]


def make_data_disk(path: Path, size_mb: int, log: Path) -> None:
    """An empty ext4 for ``/var/lib/recorder``, as docs/install.md formats one."""
    path.unlink(missing_ok=True)
    run(["mke2fs", "-q", "-t", "ext4", "-L", DATA_LABEL, "-m", "0", "-E", "root_owner=0:0", path, f"{size_mb}M"], log)


# --- layers ----------------------------------------------------------------------------------------------------------


def _system_key() -> str:
    return digest("1", SUITE, *(GUEST / name for name in ("packages.txt", "build-packages.txt", "requirements.txt")))


def _image_key(kernel_folder: Path) -> str:
    return digest("1", _system_key(), GUEST / "root", kernel_folder.name, *ENABLED, *MASKED)


def _system(cache: Cache) -> Path:
    return cache.entry("system", _system_key(), lambda folder: _build_system(cache, folder))


def _build_system(cache: Cache, folder: Path) -> None:
    log = cache.root / "system-build.log"
    log.unlink(missing_ok=True)
    tools = names(GUEST / "build-packages.txt")
    pip = (
        "env PYPI=1 python3 -m pip install --break-system-packages --root-user-action ignore "
        "--no-deps --no-compile --disable-pip-version-check --require-hashes -r /tmp/requirements.txt"
    )  # PYPI=1: lgpio builds its own C library in instead of looking for the system's
    in_guest = [
        pip,
        f"env DEBIAN_FRONTEND=noninteractive apt-get -y purge --autoremove {' '.join(tools)}",
        "rm -f /tmp/requirements.txt /etc/machine-id",
        "update-ca-certificates --fresh",
    ]
    # A mirror may have an authority of its own, and half a dozen variables may point to this very path.
    hooks = [f"upload {_CA_BUNDLE} {_CA_BUNDLE}"] if _CA_BUNDLE.exists() else []
    hooks += [f"upload {shlex.quote(str(GUEST / 'requirements.txt'))} /tmp/requirements.txt"]
    hooks += [f'chroot "$1" {command}' for command in in_guest]
    with cache.steps.step("system: mmdebstrap, pip"):
        run(
            [
                *("mmdebstrap", "--variant=apt", "--format=tar", "--aptopt=Acquire::Languages none"),
                *("--aptopt=APT::Install-Recommends false", "--dpkgopt=path-exclude=/usr/share/man/*"),
                *("--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*"),
                f"--include={','.join(names(GUEST / 'packages.txt') + tools)}",
                *(f"--customize-hook={hook}" for hook in hooks),
                *(SUITE, str(folder / "system.tar"), *source_lines(mirror())),
            ],
            log,
        )


def _build_image(cache: Cache, kernel_folder: Path, folder: Path) -> None:
    system = _system(cache)
    log = cache.root / "image-build.log"
    log.unlink(missing_ok=True)
    tree = folder / "tree"
    tree.mkdir()
    with cache.steps.step("image: files"):
        run(["tar", "xf", system / "system.tar", "-C", tree, "--numeric-owner", "--xattrs", "--exclude=./dev/*"], log)
        run(["cp", "-R", "--no-preserve=ownership", f"{GUEST / 'root'}/.", tree], log)
        run(["cp", "-R", f"{kernel_folder / 'modules'}/lib/modules", tree / "usr/lib"], log)
        for modules in (tree / "usr/lib/modules").iterdir():
            run(["chroot", tree, "depmod", modules.name], log)
        for folder_name in ("var/lib/recorder", SHARE.strip("/")):
            (tree / folder_name).mkdir(parents=True, exist_ok=True)
        units = f"--root={tree}"
        run(["systemctl", units, "enable", *ENABLED], log)
        run(["systemctl", units, "mask", *MASKED], log)
        # Nothing is owed to a first boot: no ldconfig, no sysusers, no hardware database.
        (tree / "etc/machine-id").write_text(f"{digest(folder.name, 'machine-id')}{'0' * 16}\n", encoding="ascii")
        run(["chroot", tree, "systemd-sysusers"], log)
        run(["chroot", tree, "systemd-hwdb", "update"], log)
        run(["chroot", tree, "python3", "-m", "compileall", "-q", "/usr/local/lib/python3.13"], log)
        for part in ("etc", "var"):
            (tree / part / ".updated").touch()
    with cache.steps.step("image: ext4"):
        run(
            [
                *("mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=0,lazy_journal_init=0"),
                *("-d", str(tree), str(folder / "root.ext4"), ROOT_SIZE),
            ],
            log,
        )
    shutil.rmtree(tree)


def _install(cache: Cache, kernel_folder: Path, image: Path, deb: Path, folder: Path) -> None:
    root = folder / "root.ext4"
    run(["cp", "--sparse=always", image / "root.ext4", root], cache.root / "install.log")
    work, data = folder / "machine", folder / "data.ext4"
    make_data_disk(data, 64, cache.root / "install.log")
    with (
        cache.steps.step(f"unit: dpkg -i {deb.name} in the guest"),
        VirtualPi(Parts(kernel_folder, root, (data,), root_writable=True), work, cache.steps.clock) as pi,
    ):
        shutil.copy(deb, pi.share / deb.name)
        pi.boot()
        said = pi.sh(f"DEBIAN_FRONTEND=noninteractive dpkg -i {SHARE}/{shlex.quote(deb.name)} 2>&1", 300)
        (folder / "install.log").write_text(said, encoding="utf-8")
        pi.power_off()
    shutil.rmtree(work)
    data.unlink()
