"""One package: the files laid out, the metadata filled in, ``dpkg-buildpackage`` called."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import tomllib
from pathlib import Path

from tools.package import manual, needs, notices, payload, vendored
from tools.package.target import Target
from tools.package.version import changelog, debian_version, read_source

SCRIPTS = ("preinst", "postinst", "prerm", "postrm")


class BuildFailed(Exception):
    """A tool ended with an error; the message carries what it said."""


def build(root: Path, target: Target, out: Path, xz_level: int = 6) -> Path:
    """Build for ``target`` from the checkout ``root``; returns the .deb in ``out``. ``xz_level``: 0-9; 1 takes a sixth of
    the time of 6 and a fifth more space. Raises BuildFailed, UnknownKind, UnknownLibrary, NoLicence, CalledProcessError (of
    git or pip, which have said why)."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    source = read_source(root, project["version"])
    version = debian_version(project["version"], source, target.release.number)
    # The folder is not part of the result: the same bytes come out wherever it is (tests/package).
    with tempfile.TemporaryDirectory(prefix="zfy-recorder-") as scratch:
        tree = Path(scratch, "tree")
        files, metadata = tree / "payload", tree / "debian"
        payload.lay_out(root, target, files)
        libraries = payload.site_packages(target, files)
        vendored.install(target, root / "requirements-runtime.txt", libraries)

        shutil.copytree(root / "debian", metadata)
        for name in SCRIPTS:
            _rewrite(metadata / name, payload.fill_in(_read(metadata / name), files, target))
        log = metadata / "changelog"
        _rewrite(log, changelog(_read(log), version, target.release.codename, source.epoch))
        depends = [target.depends, *needs.depends(libraries, target.release.glibc_minor)]
        # Not by substvars: dh_prep removes those it did not make itself.
        control = metadata / "control"
        _rewrite(control, _read(control).replace("${vendored:Depends}", ", ".join(depends)))
        place = libraries.relative_to(files).as_posix()
        stanzas = notices.stanzas(vendored.distributions(libraries), place)
        _rewrite(metadata / "copyright", _read(metadata / "copyright") + stanzas)
        _rewrite(metadata / "recorder.1", manual.page(project["version"], source.epoch))
        _rewrite(metadata / "zfy-recorder.manpages", "debian/recorder.1\n")
        (tree / "upstream").mkdir()
        shutil.copyfile(root / "CHANGELOG.md", tree / "upstream/CHANGELOG.md")

        _dpkg_buildpackage(tree, target, source.epoch, xz_level)
        built = next(tree.parent.glob("*.deb"))
        out.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copyfile(built, out / built.name))


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _rewrite(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _dpkg_buildpackage(tree: Path, target: Target, epoch: int, xz_level: int) -> None:
    command = ["dpkg-buildpackage", "--build=binary", f"--host-arch={target.architecture}"]
    # The tools are in packages.apt; a cross build would ask for them of the other architecture.
    command += ["--no-check-builddeps", "--no-pre-clean", "--unsigned-changes", "--unsigned-buildinfo"]
    env = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch), "DEB_BUILD_OPTIONS": "nocheck noautodbgsym"}
    env |= {"LC_ALL": "C.UTF-8", "XZ_LEVEL": str(xz_level)}
    done = subprocess.run(
        command, cwd=tree, env=env, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode != 0:
        raise BuildFailed(f"dpkg-buildpackage ({done.returncode}):\n{done.stdout}")
