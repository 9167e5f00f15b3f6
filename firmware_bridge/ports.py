"""The seam to hardware: one Protocol per device, plain values across it.

Everything above this line (``recorder``) knows hardware only through this module; everything below it (drivers in
``firmware_bridge/raspberry_pi``, the simulator's board in ``hw_sim``) only has to satisfy it. Drivers are thin: they
move bytes and events and decide nothing.

Units are in the names: ``_us`` microseconds, ``_s`` seconds, ``_lux`` lux, ``_c`` degrees Celsius, ``_mps`` metres a
second. Every ``*_us`` time stamp is CLOCK_BOOTTIME of the current boot unless its name says ``wall``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from array import array

    import numpy as np
    import numpy.typing as npt

# As text: numpy is 13 MB, and the processes without picture or sound (uplink, command line) need only the clock from here.
Plane: TypeAlias = "npt.NDArray[np.uint8]"
Samples: TypeAlias = "npt.NDArray[np.int16]"
Sound: TypeAlias = "array[int]"
"""What is to be heard: mono 16-bit samples as ``array('h')``; the process that speaks has no other use for numpy."""

ClockSource = Literal["gnss", "nts", "ntp", "rtc", "none"]


class DeviceError(Exception):
    """A device refused, vanished or answered nonsense. ``device`` names it, ``errno`` when the kernel gave one."""

    def __init__(self, device: str, message: str, errno: int | None = None) -> None:
        super().__init__(f"{device}: {message}")
        self.device = device
        self.errno = errno


# --- time ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClockQuality:
    """What the wall clock is worth. ``max_error_ms`` is None when nobody vouches for it (source ``none``)."""

    source: ClockSource
    synchronized: bool
    max_error_ms: float | None


class Clock(Protocol):
    """The only way to know the time. Truth is boot-time plus boot id; wall time is a claim with a quality."""

    def boottime_us(self) -> int:
        """CLOCK_BOOTTIME in microseconds: never steps, runs through suspend, starts near 0 at boot."""

    def wall_us(self) -> int:
        """The wall clock's claim: microseconds since 1970-01-01T00:00:00Z. May step; never used to order records."""

    def boot_id(self) -> str:
        """The kernel's boot id (lower-case UUID): tells two boots apart even when their boot-times overlap."""

    def quality(self) -> ClockQuality: ...


# --- camera ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VideoMode:
    """What the camera is asked for. ``bitrate`` in bit/s; ``gop`` in frames (one keyframe each ``gop`` frames)."""

    width: int
    height: int
    frame_rate: int
    bitrate: int
    gop: int


@dataclass(frozen=True, slots=True)
class SensorInfo:
    """What the sensor says of one frame. None where the sensor does not tell."""

    exposure_us: int | None = None
    analogue_gain: float | None = None
    lux: float | None = None


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One H.264 access unit: Annex-B, in-band SPS/PPS on every keyframe, no B-frames (decode order = display order).

    ``timestamp_us`` is CLOCK_BOOTTIME at exposure, strictly increasing within one ``start``.
    """

    data: bytes
    keyframe: bool
    timestamp_us: int
    sensor: SensorInfo


FramePainter: TypeAlias = Callable[[Plane, int], None]
"""Called with the luma plane (height x width, uint8, writable) and the frame's ``timestamp_us`` before encoding.
It must be quick and must not raise; drivers guard the call all the same (an exception inside picamera2's callback
kills its event loop silently: trap T1)."""


class Camera(Protocol):
    """A camera with its encoder. Delivery happens on the driver's own thread; the callback must only enqueue."""

    def start(self, mode: VideoMode, paint: FramePainter | None, deliver: Callable[[EncodedFrame], None]) -> None:
        """Begin delivering. Raises DeviceError when the camera cannot be opened."""

    def stop(self) -> None:
        """Stop delivering; returns within 3 s even when the hardware hangs."""

    def dropped_frames(self) -> int:
        """Frames the sensor produced that were lost before the encoder, since ``start``."""

    def failure(self) -> DeviceError | None:
        """The error that ended delivery by itself, or None while all is well."""


# --- sound -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AudioBlock:
    """Mono 16-bit samples. ``read_at_us``: CLOCK_BOOTTIME when the read returned, i.e. at or after the last sample."""

    samples: Samples
    read_at_us: int
    overflowed: bool


class Microphone(Protocol):
    def open(self, rate: int, block: int) -> None:
        """Open mono capture at ``rate`` samples/s in blocks of ``block`` samples. Raises DeviceError."""

    def read(self, timeout_s: float) -> AudioBlock | None:
        """Next block, or None when none came in ``timeout_s``. Raises DeviceError when the device is gone."""

    def close(self) -> None: ...


class Speaker(Protocol):
    def play(self, samples: Sound, rate: int) -> None:
        """Queue mono samples; returns at once. Raises DeviceError."""

    def playing(self) -> bool: ...

    def stop(self) -> None: ...

    def failure(self) -> DeviceError | None:
        """Why nothing can be heard at present, also while nothing is played; None while all is well. Returns at once."""


# --- position, light, power ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GnssFix:
    """One position. WGS-84 degrees; ``quality`` is the NMEA GGA fix quality (0 none, 1 GNSS, 2 DGNSS, 4/5 RTK)."""

    received_us: int
    latitude: float
    longitude: float
    altitude_m: float | None
    speed_mps: float | None
    course_deg: float | None
    quality: int
    satellites: int | None
    hdop: float | None
    utc_us: int | None


@dataclass(slots=True)
class GnssCounters:
    """What the receiver sent that was not believed. Counted, never hidden."""

    sentences: int = 0
    bad_checksum: int = 0
    unparsable: int = 0
    no_fix: int = 0
    implausible: int = 0
    repeated: int = 0

    @property
    def good(self) -> int:
        """Sentences that came whole, with or without a position. Noise at a wrong baud rate has line ends, too."""
        return self.sentences - self.bad_checksum - self.unparsable


class GnssReceiver(Protocol):
    def start(self, deliver: Callable[[GnssFix], None]) -> None:
        """Begin reading on an own thread; ``deliver`` gets each believed fix. Raises DeviceError."""

    def stop(self) -> None: ...

    def counters(self) -> GnssCounters: ...

    def failure(self) -> DeviceError | None: ...


class LightSensor(Protocol):
    def lux(self) -> float | None:
        """Ambient light, or None when the sensor does not answer. At once, whatever its bus does."""


class PowerSupply(Protocol):
    def state(self) -> PowerState:
        """At once, whatever the chips do: what is not known now is None."""

    def failure(self) -> DeviceError | None:
        """The part that does not answer (another may stand in for it), or None while all is well."""


@dataclass(frozen=True, slots=True)
class PowerState:
    """``battery_percent`` 0-100 or None without a gauge; ``external`` True when charging or on vehicle power."""

    battery_percent: float | None
    voltage_v: float | None
    external: bool | None


ThrottleReason = Literal["under-voltage", "frequency-capped", "throttled", "soft-temperature-limit"]
"""As the Raspberry Pi firmware names them (``vcgencmd get_throttled``, bits 0-3)."""


class ThermalSensor(Protocol):
    def temperature_c(self) -> float | None: ...

    def throttled(self) -> frozenset[ThrottleReason] | None:
        """Why the processor runs slower than it could just now; empty when it does not, None when nobody can tell. At once,
        whatever the firmware does."""

    def failure(self) -> DeviceError | None:
        """Why ``throttled`` cannot be told although somebody should know; None while all is well, or where nobody does."""


# --- storage ---------------------------------------------------------------------------------------------------------


class Medium(Protocol):
    """The card, at the calls by which evidence reaches it. Semantics and errors of the system calls of the same names."""

    def open(self, path: str, flags: int, mode: int) -> int: ...

    def write(self, descriptor: int, data: memoryview) -> int: ...

    def fdatasync(self, descriptor: int) -> None: ...

    def free_bytes(self, path: str) -> int: ...


# --- what the officer touches and sees -------------------------------------------------------------------------------


class Button(Protocol):
    """Edges only; what a gesture means is decided above. ``deliver(pressed, at_us)`` must only enqueue."""

    def start(self, deliver: Callable[[bool, int], None]) -> None: ...

    def close(self) -> None: ...


class IgnitionSense(Protocol):
    """Is the vehicle's ignition on? Settled levels only: the dip while the starter turns is none."""

    def start(self, deliver: Callable[[bool, int], None]) -> None:
        """``deliver(on, since_us)`` for the level at the start and for each change, on an own thread; it must only enqueue.
        Raises DeviceError."""

    def is_on(self) -> bool | None:
        """The settled level; None before the first."""

    def close(self) -> None: ...


class Output(Protocol):
    """One on/off output: an LED, the vibration motor, the IR lamp, the IR-cut filter."""

    def set(self, on: bool) -> None: ...

    def is_on(self) -> bool: ...

    def close(self) -> None: ...


class Watchdog(Protocol):
    """The board's hardware watchdog: resets the board when it is not fed. Fed only while frames, encoder and disk make
    progress (``recorder.session.vitality``)."""

    def feed(self) -> None:
        """The first one arms it; then every second or so. Raises DeviceError."""

    def close(self) -> None:
        """An orderly end: nothing is reset."""


# --- the unit as a whole ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BoardIdentity:
    """EAT-style names (RFC 9711): ``ueid`` unique device id, ``hwmodel``, ``hwversion``."""

    ueid: str
    hwmodel: str
    hwversion: str


class UnitBoard(Protocol):
    """The devices the unit process uses. A device the board lacks is None (or a missing key)."""

    clock: Clock
    identity: BoardIdentity
    buttons: dict[str, Button]
    """``record``, ``mark``."""
    outputs: dict[str, Output]
    """``led_red``, ``led_green``, ``led_yellow``, ``vibration``, ``ir_lamp``, ``ir_cut``."""
    gnss: GnssReceiver | None
    light: LightSensor | None
    power: PowerSupply | None
    thermal: ThermalSensor | None
    speaker: Speaker | None
    watchdog: Watchdog | None
    ignition: IgnitionSense | None
    """Vehicle units only."""
    medium: Medium | None
    """None: the kernel's own calls."""
    faults: list[DeviceError]
    """The devices this board should have and that could not be had; wrong options too."""

    def close(self) -> None: ...


class CaptureBoard(Protocol):
    """The devices one capture worker uses."""

    clock: Clock
    camera: Camera
    microphone: Microphone | None
    medium: Medium | None

    def close(self) -> None: ...


BoardOptions: TypeAlias = dict[str, str]

Verdict = Literal["ok", "warning", "fault"]


@dataclass(frozen=True, slots=True)
class Check:
    """One device that was looked at: what was seen, and what a technician should do about it (empty when all is well), in
    Chinese and English. ``device``: named as in the board file."""

    device: str
    verdict: Verdict
    zh: str
    en: str
    advice_zh: str = ""
    advice_en: str = ""


class BoardModule(Protocol):
    """What a module named in ``[board] module`` provides: two functions, loaded by name in unit and worker alike, and
    perhaps those of :class:`DiagnosableBoard`."""

    def unit_board(self, options: BoardOptions) -> UnitBoard: ...

    def capture_board(self, options: BoardOptions, camera_id: str) -> CaptureBoard: ...


DeviceCheck: TypeAlias = tuple[str, Callable[[], Iterator[Check]]]
"""A device as the board file names it, and a look at it."""


class DiagnosableBoard(Protocol):
    """What a board module provides besides, for ``recorder doctor``."""

    def diagnose(self, options: BoardOptions, cameras: Sequence[str]) -> Sequence[DeviceCheck]:
        """How to look at each device, in the order a technician would. ``cameras``: ids of the configuration. Touches no
        device itself, never raises, and gives the same list each time: a look that hangs or crashes is told by its name,
        and those after it are taken in a new process. A look works beside a running unit, takes nothing away from it and
        changes no output."""
