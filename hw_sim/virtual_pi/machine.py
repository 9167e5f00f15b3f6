"""One virtual Pi: switched on, spoken to, its button pressed, its plug pulled.

    with VirtualPi(Parts(kernel, root, data), folder, clock) as pi:
        pi.boot()
        pi.press("GPIO17")
        pi.cut()            # the plug: SIGKILL to everything that is this machine
        pi.boot()

Disks are files. The root disk is never written: what the guest writes to it goes to a copy-on-write file of its own, thrown
away with the machine. The data disk is written in place, so it survives a cut as far as the guest's kernel had written it.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final

from firmware_bridge.ports import Clock
from hw_sim.virtual_pi import mconsole
from hw_sim.virtual_pi.agent import Agent, Answer
from hw_sim.virtual_pi.errors import VirtualPiError
from hw_sim.virtual_pi.gnss_line import GnssLine
from hw_sim.virtual_pi.network import UserNetwork

SHARE: Final = "/mnt/host"
"""Where the guest sees the folder that both can write."""
_UMID: Final = "pi"


@dataclass(frozen=True, slots=True)
class Parts:
    """What a machine is put together from. ``disks``: ubdb, ubdc, … in this order (images, or files to log to)."""

    kernel: Path
    root: Path
    disks: tuple[Path, ...] = ()
    memory_mb: int = 1024
    processors: int = 2
    root_writable: bool = False
    kernel_parameters: tuple[str, ...] = field(default=())


class VirtualPi:
    """Context manager: whatever happens, no process is left behind. Not for several threads, but for :meth:`sh`."""

    def __init__(self, parts: Parts, folder: Path, clock: Clock) -> None:
        """``folder``: consoles, the share, the overlay of the root disk; made where it is missing."""
        self.parts = parts
        self.folder = folder.absolute()
        self.share = self.folder / "share"
        self.share.mkdir(parents=True, exist_ok=True)
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._agent: Agent | None = None
        self._network: UserNetwork | None = None
        self.gnss: GnssLine | None = None
        self.boots = 0
        self.boot_id = ""
        self.switched_on_us = 0
        """When, in the host's boot-time, the last boot began."""
        self.boot_s = 0.0
        """From the first instruction to the agent's first word, of the last boot."""

    def __enter__(self) -> VirtualPi:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()

    @property
    def console(self) -> Path:
        """What the kernel and systemd printed since the last switching-on."""
        return self.folder / f"console-{self.boots}.log"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    # --- power -------------------------------------------------------------------------------------------------------

    def boot(self, timeout_s: float = 90.0) -> None:
        """Switch on and wait for the agent. Raises VirtualPiError with the end of the console."""
        if self.running:
            raise VirtualPiError("虚拟机已在运行 the machine is on already")
        self.boots += 1
        self.switched_on_us = self._clock.boottime_us()
        self._agent, self.gnss = Agent(), GnssLine(self._clock)
        self._network = UserNetwork(self.folder / "network.log")
        ends = [self._network.guest_end.fileno(), self.gnss.guest_end.fileno(), self._agent.guest_end.fileno()]
        with self.console.open("wb") as console:
            self._process = subprocess.Popen(
                self._command(*ends),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TMPDIR": "/dev/shm"},
                pass_fds=ends,
                start_new_session=True,
            )
        for part in (self._network, self.gnss, self._agent):
            part.guest_end.close()  # the kernel's alone now: when it dies, the lines hear it
        boot_id = self._agent.wait_ready(timeout_s)
        if boot_id is None:
            text = self.console_tail()
            self.cut()
            raise VirtualPiError(f"{timeout_s:g} 秒内未启动 did not boot in time ({self.console})\n{text}")
        self.boot_id = boot_id
        self.boot_s = (self._clock.boottime_us() - self.switched_on_us) / 1e6

    def cut(self) -> None:
        """The plug is pulled: SIGKILL to the whole process group. Nothing the guest had not handed to its disk survives."""
        if self._process is not None:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
        self._release()

    def power_off(self, timeout_s: float = 60.0) -> None:
        """Orderly: ``systemctl poweroff``. Raises VirtualPiError when it is not off in time (it is then cut)."""
        if self._process is None:
            return
        self.sh("systemd-run --quiet --no-block systemctl poweroff")
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            text = self.console_tail()
            self.cut()
            raise VirtualPiError(f"{timeout_s:g} 秒内未关机 did not switch off in time\n{text}") from error
        self._process = None
        self._release()

    def wait_reset(self, timeout_s: float) -> float:
        """Wait until the board resets itself (watchdog, panic, reboot); how long that took. It stays off until ``boot``:
        what the guest's kernel had not written is gone, as after :meth:`cut`. Raises VirtualPiError."""
        if self._process is None:
            raise VirtualPiError("虚拟机未开 the machine is off")
        start = self._clock.boottime_us()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise VirtualPiError(f"{timeout_s:g} 秒内未复位 no reset in time\n{self.console_tail()}") from error
        self._process = None
        self._release()
        return (self._clock.boottime_us() - start) / 1e6

    def plug_in(self, disk: Path, letter: str = "b") -> None:
        """A disk appears as ``/dev/ubdX`` while the machine runs. Raises VirtualPiError."""
        mconsole.tell(self.folder / _UMID / "mconsole", f"config ubd{letter}={disk.absolute()}")

    # --- the inside --------------------------------------------------------------------------------------------------

    def sh(self, command: str, timeout_s: float = 30.0) -> str:
        """Run a line of bash as root; what it printed. Raises VirtualPiError when it fails, with that."""
        answer = self.ask(command, timeout_s)
        if answer.status != 0:
            raise VirtualPiError(f"{command}: 失败 failed with {answer.status}\n{answer.output[-3000:]}")
        return answer.output

    def ask(self, command: str, timeout_s: float = 30.0) -> Answer:
        """Likewise, whatever its exit status."""
        if self._agent is None:
            raise VirtualPiError(f"虚拟机未开 the machine is off: {command}")
        return self._agent.call(command, timeout_s)

    def wait_for(self, command: str, timeout_s: float = 30.0) -> str:
        """Repeat a command in the guest until it succeeds; what it printed then. Raises VirtualPiError."""
        loop = f"until {{ {command}\n}}; do sleep 0.1; done"
        answer = self.ask(f"timeout {timeout_s:g} bash -c {shlex.quote(loop)}", timeout_s + 5)
        if answer.status != 0:
            raise VirtualPiError(f"{timeout_s:g} 秒内未成立 not so in time: {command}\n{answer.output[-2000:]}")
        return answer.output

    def pause(self, seconds: float) -> None:
        """Let the machine run for so long. Raises VirtualPiError when it goes off by itself."""
        if self._process is None:
            raise VirtualPiError("虚拟机未开 the machine is off")
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return
        raise VirtualPiError(f"虚拟机自行关机 the machine went off by itself ({status})\n{self.console_tail()}")

    def console_tail(self, size: int = 4000) -> str:
        return self.console.read_bytes()[-size:].decode("utf-8", "replace")

    # --- hands and eyes ----------------------------------------------------------------------------------------------

    def press(self, pin: str, held_s: float = 0.2) -> None:
        """Hold the button on this pin for so long. The guest's own clock measures: a slow host makes no double press."""
        line = _line(pin)
        self.sh(f"echo pull-down >{line}/pull; sleep {held_s:g}; echo pull-up >{line}/pull", held_s + 30)

    def lit(self, pin: str) -> bool:
        """What the driver put out on this line."""
        return self.sh(f"cat {_line(pin)}/value").strip() == "1"

    def play(self, wav: str, seconds: int) -> None:
        """Let the microphone hear a WAV file of the guest (or of the share) in the background."""
        self.sh(f"systemd-run --quiet --no-block timeout {seconds} aplay -q -D plughw:Loopback,1,0 {shlex.quote(wav)}")

    def terminal_command(self) -> list[str]:
        """A machine for a person: the console is this terminal with a root shell, no agent, no network, no receiver."""
        command = [word for word in self._command(0, 0, 0) if not word.startswith(("con0", "ssl", "vec0", "quiet"))]
        return [
            *command,
            "con0=fd:0,fd:1",
            "ssl=null",
            "systemd.debug_shell=tty0",
            "systemd.mask=virtual-pi-agent.service",
        ]

    # --- parts -------------------------------------------------------------------------------------------------------

    def _command(self, network: int, gnss: int, agent: int) -> list[str]:
        parts = self.parts
        root = str(parts.root)
        if not parts.root_writable:
            overlay = self.folder / "root.cow"
            root = f"{overlay},{parts.root}"
        disks = [f"ubd{letter}={disk}" for letter, disk in zip("bcdef", parts.disks, strict=False)]
        return [
            str(parts.kernel / "linux"),
            *(f"mem={parts.memory_mb}M", f"ncpus={parts.processors}", "seccomp=on"),
            *(f"ubda={root}", *disks, "root=/dev/ubda", "rw"),
            *("con0=null,fd:1", "con=null", "ssl=null", f"ssl1=fd:{gnss}", f"ssl2=fd:{agent}"),
            *(f"vec0:transport=fd,fd={network},mac=02:00:00:00:00:15", f"hostfs={self.share}"),
            *("snd-aloop.id=Loopback", "panic=1", "systemd.show_status=1", "quiet", "loglevel=5"),
            *(f"uml_dir={self.folder}/", f"umid={_UMID}", "noreboot"),
            *parts.kernel_parameters,
        ]

    def _release(self) -> None:
        for part in (self._agent, self.gnss, self._network):
            if part is not None:
                part.close()
        self._agent = self.gnss = self._network = None


def _line(pin: str) -> str:
    return f"/sys/devices/platform/gpio-sim.0/gpiochip*/sim_gpio{int(pin.removeprefix('GPIO'))}"
