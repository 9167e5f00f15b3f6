"""Sound cards for the real PyAudio, PortAudio and ALSA: a microphone read from a FIFO, a loudspeaker written to a file.

ALSA's ``file`` plugin over its ``null`` plugin: no kernel device is needed. What was measured of it:

* It reads with plain ``read(2)`` of a block (``pcm_file.c``): the FIFO's writer sets the pace, and a read that gets less
  than it asked for leaves the rest of the block as it was. So every write here is one block, whole (below ``PIPE_BUF``).
* Opening the FIFO waits for a writer, and the end of file is read as an endless row of empty blocks. So the writer holds
  it open for reading and writing from before the first ``Pa_Initialize`` until after the last stream is closed.
* It never overruns: what does not fit the FIFO is lost here, before ALSA, as it is in a device without a buffer.
"""

from __future__ import annotations

import fcntl
import os
import termios
import threading
from array import array
from pathlib import Path
from typing import Final

from firmware_bridge.ports import AudioBlock, DeviceError, Microphone

_PIPE_BUF: Final = 4096
_READ_S: Final = 0.05
_PLUG_S: Final = 0.05

CONFIGURATION: Final = """\
pcm.mic {{ type file slave.pcm "nullp" file "/dev/null" infile "{fifo}" format "raw" }}
pcm.spk {{ type file slave.pcm "nullp" file "{heard}" format "raw" }}
pcm.nullp {{ type null }}
pcm.default {{ type null }}
ctl.default {{ type null }}
"""
"""``pcm.default``: without it PortAudio aborts (``firmware_bridge/raspberry_pi/alsa.py``)."""


class SoundCards:
    """``mic`` and ``spk`` of an ``asound.conf`` of their own in ``folder``; for processes with ``environment``."""

    def __init__(self, folder: Path) -> None:
        self.fifo = folder / "mic.fifo"
        self.heard = folder / "spk.raw"
        """What the loudspeaker was given: 16-bit mono, no header."""
        self.configuration = folder / "asound.conf"
        self.configuration.write_text(CONFIGURATION.format(fifo=self.fifo, heard=self.heard), encoding="utf-8")

    @property
    def environment(self) -> dict[str, str]:
        return {"ALSA_CONFIG_PATH": str(self.configuration), "JACK_NO_START_SERVER": "1"}


class Plug:
    """The FIFO from plugging in to pulling out. Blocks must all have the size that the reader asks for."""

    def __init__(self, fifo: Path) -> None:
        self._fifo = fifo
        fifo.unlink(missing_ok=True)
        os.mkfifo(fifo)
        self._descriptor = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)

    def write(self, block: bytes) -> bool:
        """False when there was no room: nobody reads, and the block is lost."""
        if len(block) > _PIPE_BUF:
            raise ValueError(f"{len(block)} bytes: a block must be written whole, at most {_PIPE_BUF}")
        try:
            os.write(self._descriptor, block)
        except BlockingIOError:
            return False
        return True

    def waiting(self) -> int:
        """Bytes that nobody has read yet."""
        size = array("i", [0])
        fcntl.ioctl(self._descriptor, termios.FIONREAD, size)
        return size[0]

    def forget(self) -> None:
        """What nobody has read is gone, as in a device that was stopped."""
        try:
            while os.read(self._descriptor, _PIPE_BUF):
                pass
        except BlockingIOError:
            return

    def pull(self) -> None:
        """The device is no longer to be found. Whoever has it open waits, as for a device that went silent."""
        self._fifo.unlink(missing_ok=True)

    def close(self) -> None:
        """Whoever still has it open is let go: reads return at once, with nothing in them."""
        os.close(self._descriptor)


class Feeder:
    """Carries what ``source`` hears into the FIFO at its pace. A source that is gone (DeviceError) pulls the plug, and one
    that is there again puts it in again."""

    def __init__(self, source: Microphone, fifo: Path) -> None:
        self._source = source
        self._fifo = fifo
        self._changed = threading.Lock()
        self._stopping = threading.Event()
        self._plug: Plug | None = None
        self._pulled: list[Plug] = []
        self._listening = False
        self._thread: threading.Thread | None = None
        self.lost = 0
        """Blocks for which the FIFO had no room."""

    def start(self, rate: int, block: int) -> None:
        """Returns when the device is there to be opened. Raises DeviceError when the source cannot be opened."""
        self.stop()
        self._source.open(rate, block)
        self._stopping.clear()
        self._plug = Plug(self._fifo)
        self._thread = threading.Thread(target=self._run, args=(rate, block), name="mic-fifo", daemon=True)
        self._thread.start()

    def listen(self, on: bool) -> None:
        """Whether the device has been started: before and after, it keeps nothing. Off, whoever still has a device open
        that was pulled out is let go."""
        with self._changed:
            self._listening = on
            if on:
                return
            if self._plug is not None:
                self._plug.forget()
            for plug in self._pulled:
                plug.close()
            self._pulled.clear()

    def stop(self) -> None:
        if self._thread is None:
            return
        self._stopping.set()
        self._thread.join()
        self._thread = None
        self._source.close()
        self.listen(False)
        if self._plug is not None:
            self._plug.pull()
            self._plug.close()
            self._plug = None

    def _run(self, rate: int, block: int) -> None:
        while not self._stopping.is_set():
            try:
                heard = self._source.read(_READ_S)
            except DeviceError:
                self._unplug()
                self._replug(rate, block)
                continue
            if heard is not None:
                self._carry(heard.samples.tobytes())

    def _carry(self, block: bytes) -> None:
        with self._changed:
            if self._listening and self._plug is not None and not self._plug.write(block):
                self.lost += 1

    def _unplug(self) -> None:
        with self._changed:
            if self._plug is not None:
                self._plug.pull()
                self._pulled.append(self._plug)
                self._plug = None

    def _replug(self, rate: int, block: int) -> None:
        while not self._stopping.wait(_PLUG_S):
            try:
                self._source.open(rate, block)
            except DeviceError:
                continue
            with self._changed:
                self._plug = Plug(self._fifo)
                self._listening = False
            return


class FedMicrophone:
    """``ports.Microphone``: ``driver`` reads what ``feeder`` carries. The feeder is put to the driver's rate and block."""

    def __init__(self, driver: Microphone, feeder: Feeder) -> None:
        self._driver = driver
        self._feeder = feeder
        self._shape: tuple[int, int] | None = None

    def open(self, rate: int, block: int) -> None:
        if self._shape != (rate, block):
            self._feeder.start(rate, block)
            self._shape = (rate, block)
        self._driver.open(rate, block)
        self._feeder.listen(True)

    def read(self, timeout_s: float) -> AudioBlock | None:
        return self._driver.read(timeout_s)

    def close(self) -> None:
        self._driver.close()
        self._feeder.listen(False)

    def end(self) -> None:
        """No more is heard, whoever reads; the device is gone."""
        self.close()
        self._feeder.stop()
        self._shape = None
