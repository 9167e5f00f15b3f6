"""A Debian in a folder: made once by mmdebstrap, unpacked for each test, entered in a mount namespace of its own."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

CACHE = Path.home() / ".cache/zfy-recorder/chroots"
FOREIGN_PACKAGES = "dash,coreutils,python3,libstdc++6,zlib1g,tzdata"

_ENTER = """\
set -e
mount -t proc proc "$0/proc"
mount --rbind /dev "$0/dev"
exec chroot "$0" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    sh -c "$1"
"""


@dataclass(frozen=True, slots=True)
class Chroot:
    root: Path

    def start(self, script: str, log: Path) -> subprocess.Popen[bytes]:
        """Begin a shell script in it; everything it started dies with the process returned, however that ends."""
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _ENTER, str(self.root), script]
        with log.open("ab") as output:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    def run(self, script: str, timeout_s: float = 900) -> subprocess.CompletedProcess[str]:
        """Run a shell script in it; both outputs in ``stdout``. The mounts end with the script."""
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _ENTER, str(self.root), script]
        return subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=timeout_s
        )


def _mirror() -> str:
    """The mirror this machine's apt is set up with."""
    command = ["apt-get", "indextargets", "--format", "$(SITE) $(ORIGIN)", "Created-By: Packages"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return next(line.split()[0] for line in lines if line.endswith(" Debian") and "security" not in line)


def make(codename: str, architecture: str, folder: Path, *, foreign: bool, packages: tuple[str, ...] = ()) -> Chroot:
    """``foreign``: only unpacked, for no maintainer script of another machine's packages needs to run before a program
    can be tried; configuring the package and what it needs under emulation takes ten minutes.
    ``packages``: installed besides."""
    kind = ("unpacked",) if foreign else ()
    archive = CACHE / f"{'-'.join((codename, architecture, *kind, *packages))}.tar"
    if not archive.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        fresh = archive.with_suffix(".new.tar")
        variant = ["--variant=extract", f"--include={FOREIGN_PACKAGES}"] if foreign else ["--variant=minbase"]
        if packages:
            variant.append(f"--include={','.join(packages)}")
        command = ["mmdebstrap", *variant, f"--architectures={architecture}", codename, str(fresh)]
        subprocess.run([*command, f"deb {_mirror()} {codename} main"], check=True, capture_output=True)
        fresh.rename(archive)
    folder.mkdir()
    # Device nodes come with the bind mount.
    subprocess.run(["tar", "-C", str(folder), "--exclude=./dev/*", "-xf", str(archive)], check=True)
    return Chroot(folder)
