"""Where one simulated run leaves its things (design §8). Sockets live in a short folder of their own: a Unix socket's
path may have 107 bytes at most, and nobody chooses ``--out`` with that in mind."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

MARKER = ".hw-sim-run"


class OutputFolderError(Exception):
    """The output folder holds something that is not an earlier run."""


@dataclass(frozen=True, slots=True)
class Layout:
    out: Path
    run: Path

    @property
    def unit(self) -> Path:
        return self.out / "unit"

    @property
    def store(self) -> Path:
        return self.out / "store"

    @property
    def trust(self) -> Path:
        return self.out / "trust"

    @property
    def identity(self) -> Path:
        return self.out / "agency-identity.txt"

    @property
    def agency(self) -> Path:
        return self.out / "agency"

    @property
    def config(self) -> Path:
        return self.out / "config"

    @property
    def tls(self) -> Path:
        return self.out / "config" / "tls"

    @property
    def logs(self) -> Path:
        return self.out / "logs"

    @property
    def frame_logs(self) -> Path:
        """Which frames the sensor delivered, where it keeps a list."""
        return self.out / "sensor"

    @property
    def speaker(self) -> Path:
        """What the unit's loudspeaker played, one WAV file a piece."""
        return self.out / "speaker"

    @property
    def desk(self) -> Path:
        """Computers off the unit: the officers' keys and the written statement."""
        return self.out / "desk"

    @property
    def world_socket(self) -> Path:
        return self.run / "world.sock"

    @property
    def notify_socket(self) -> Path:
        return self.run / "notify.sock"

    @property
    def result(self) -> Path:
        return self.out / "result.json"

    @property
    def report(self) -> Path:
        return self.out / "report.html"


def prepare(out: Path) -> Layout:
    """An empty output folder: a former run is replaced, anything else is refused. Raises OutputFolderError."""
    out = out.absolute()
    try:
        if out.exists() and not out.is_dir():
            raise OutputFolderError(f"{out}: 不是文件夹 not a folder; choose another --out")
        if out.exists() and any(out.iterdir()):
            if not (out / MARKER).is_file():
                raise OutputFolderError(
                    f"{out}: 不是空文件夹，也不是以前的仿真结果 neither empty nor an earlier run; choose another --out"
                )
            _clear(out)
        layout = Layout(out=out, run=Path(tempfile.mkdtemp(prefix="zfy-")))
        for folder in (layout.unit, layout.config, layout.tls, layout.logs):
            folder.mkdir(parents=True, exist_ok=True)
        (out / MARKER).write_text("written by hw-sim run\n", encoding="ascii")
    except OSError as error:
        raise OutputFolderError(f"{error.filename or out}: 无法使用 cannot be used: {error.strerror}") from error
    return layout


def _clear(out: Path) -> None:
    """Remove what is in it, the marker last: a removal that was interrupted can be taken up again. The folder itself stays,
    it may be a link or a mount."""
    for path in sorted(out.iterdir(), key=lambda path: path.name == MARKER):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
