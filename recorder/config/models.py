"""The configuration as frozen pydantic models: types, bounds, nothing else.

No model has a default (but those of ``board_file``): every default lives in ``config/defaults.toml`` with its comment, so
there is one place to read and one place to change. Layers are merged first (``layers``) and validated whole.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from recorder.config.board_file import BoardDevices
from recorder.config.section import Identifier, Section
from recorder.evidence.command_texts import CommandKind


class Device(Section):
    id: Identifier
    model: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    vehicle: bool
    language: Literal["zh", "en"]
    groups: tuple[Identifier, ...]


class Board(BoardDevices):
    """``file``: name of a shipped board file or a path; empty: no file. Its tables are merged with those written here.
    ``options``: single values as the driver gets them, over everything else."""

    file: str
    module: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][\w.]*$")]
    options: dict[str, str]


class Storage(Section):
    data_dir: str
    run_dir: str
    metrics_dir: str
    keep_window_h: Annotated[float, Field(ge=0, le=24 * 90)]
    release_below_free_mb: Annotated[int, Field(ge=0)]
    reserve_mb: Annotated[int, Field(ge=16)]


class Camera(Section):
    width: Annotated[int, Field(ge=160, le=3840, multiple_of=2)]
    height: Annotated[int, Field(ge=120, le=2160, multiple_of=2)]
    frame_rate: Annotated[int, Field(ge=5, le=60)]
    bitrate_kbps: Annotated[int, Field(ge=500, le=50_000)]


class Capture(Section):
    segment_s: Annotated[float, Field(ge=2, le=3600)]
    gop_s: Annotated[float, Field(ge=0.2, le=4)]
    pre_event_s: Annotated[float, Field(ge=0, le=120)]
    pre_event_audio: bool
    post_event_s: Annotated[float, Field(ge=0, le=60)]
    buffer_mb: Annotated[int, Field(ge=4, le=512)]


class Audio(Section):
    enabled: bool
    rate: Literal[16000, 24000, 48000]
    bitrate_kbps: Annotated[int, Field(ge=16, le=256)]


class SpeechDetection(Section):
    """Spans of speech from the voice-activity detector's probabilities."""

    enabled: bool
    on_above: Annotated[float, Field(ge=0.05, le=0.99)]
    off_below: Annotated[float, Field(ge=0.01, le=0.99)]
    hangover_ms: Annotated[int, Field(ge=100, le=5000)]
    min_span_ms: Annotated[int, Field(ge=0, le=5000)]


class Watermark(Section):
    enabled: bool
    margin_px: Annotated[int, Field(ge=0, le=200)]
    height_px: Annotated[int, Field(ge=8, le=96)]


class Sealing(Section):
    enabled: bool
    recipients: tuple[Annotated[str, StringConstraints(pattern=r"^age1[02-9ac-hj-np-z]{58}$")], ...]


class Signing(Section):
    backend: Literal["file"]
    head_interval_s: Annotated[float, Field(ge=0.05, le=1.0)]
    checkpoint_records: Annotated[int, Field(ge=16, le=100_000)]


class Trust(Section):
    dir: str
    require_lock: bool
    min_lock_days: Annotated[float, Field(ge=0, le=36_500)]


class Session(Section):
    auto_shift: bool
    standby_interval_s: Annotated[float, Field(ge=1, le=600)]
    resume_open_recording: bool
    resume_within_h: Annotated[float, Field(ge=0.05, le=168)]


class Statutory(Section):
    """The 24 hours of art. 24."""

    per: Literal["session", "segment"]
    completion: Literal["media", "stop"]
    continuous_after_h: Annotated[float, Field(ge=1, le=24)]
    near_h: Annotated[float, Field(gt=0, lt=24)]
    urgent_h: Annotated[float, Field(gt=0, lt=24)]


class Officers(Section):
    """``look_s``: so long the lens is watched for a QR code after shift start, session start or request; 0 never."""

    look_s: Annotated[float, Field(ge=0, le=600)]
    assignment_days: Annotated[float, Field(ge=0.01, le=31)]


class Commands(Section):
    """``allow``: the kinds of the agency's signed commands this unit carries out. ``max_term_h``: one may be valid so
    long."""

    allow: tuple[CommandKind, ...]
    max_term_h: Annotated[float, Field(ge=0.01, le=168)]


CheckPoint = Literal["cert-shown", "art22-1", "art22-2", "art22-3", "art22-4", "art22-5", "art22-6"]


class Matter(Section):
    """``mode``: whole 全程, ordinary 一般. ``checklist``: points whose absence is warned of when a recording stops."""

    mode: Literal["whole", "ordinary"]
    stop_speech_s: Annotated[float, Field(ge=1, le=30)]
    stop_window_s: Annotated[float, Field(ge=10, le=900)]
    checklist: tuple[CheckPoint, ...]


class Gesture(Section):
    """``press`` acts on release before ``hold_s``; ``hold`` after ``hold_s`` down; ``double`` on the second press."""

    button: Literal["record", "mark"]
    kind: Literal["press", "double", "hold"]
    hold_s: Annotated[float, Field(ge=0.2, le=10)]


class Controls(Section):
    start: Gesture
    stop: Gesture
    mark: Gesture
    note: Gesture
    double_window_s: Annotated[float, Field(ge=0.15, le=2)]
    debounce_ms: Annotated[int, Field(ge=0, le=500)]


class Indication(Section):
    """What the officer sees, hears and feels. ``light`` colours per GA/T 947; patterns are on/off milliseconds."""

    light: dict[Literal["red", "green", "yellow"], tuple[int, ...]]
    tone_hz: tuple[int, ...]
    vibrate_ms: tuple[int, ...]


class Prompts(Section):
    """Spoken prompts; their texts are in ``config/prompts/catalogue.toml``."""

    stealth: bool


class Vehicle(Section):
    """What the ignition does where the board senses one. 0 minutes: it ends nothing."""

    start_on_ignition: bool
    stop_after_ignition_off_min: Annotated[float, Field(ge=0, le=1440)]


class Watchdog(Section):
    """The board's own watchdog, where the unit feeds it. ``reset_after_s`` 0: for a hang of the unit process only."""

    reset_after_s: Annotated[float, Field(ge=0, le=3600)]
    min_uptime_s: Annotated[float, Field(ge=0, le=86_400)]


class Night(Section):
    enabled: bool
    on_below_lux: Annotated[float, Field(ge=0, le=1000)]
    off_above_lux: Annotated[float, Field(ge=0, le=10_000)]
    dwell_s: Annotated[float, Field(ge=0, le=120)]
    lamp: bool


class Gnss(Section):
    enabled: bool
    stale_s: Annotated[float, Field(ge=0.5, le=60)]
    max_speed_mps: Annotated[float, Field(ge=10, le=1000)]


class Interruption(Section):
    """Art. 23: how a gap is explained. ``repeat_s``: after the first prompt, rising."""

    explained_by: Literal["button", "speech"]
    officer_min_dbfs: Annotated[float, Field(ge=-100, le=0)]
    min_speech_s: Annotated[float, Field(ge=3, le=60)]
    answer_s: Annotated[float, Field(ge=10, le=120)]
    repeat_s: tuple[Annotated[float, Field(ge=10, le=86_400)], ...]
    choice_s: Annotated[float, Field(ge=0, le=60)]
    failed_restarts: Annotated[int, Field(ge=1, le=100)]
    failed_within_s: Annotated[float, Field(ge=5, le=3600)]


class Notes(Section):
    silence_s: Annotated[float, Field(ge=1, le=60)]
    max_s: Annotated[float, Field(ge=5, le=120)]


class Supervision(Section):
    """``launcher``: who starts the capture workers; the service unit sets it, no file does."""

    launcher: Literal["child", "systemd"]
    progress_timeout_s: Annotated[float, Field(ge=0.5, le=30)]
    late_start_s: Annotated[float, Field(ge=0.5, le=60)]
    connect_timeout_s: Annotated[float, Field(ge=1, le=60)]
    start_timeout_s: Annotated[float, Field(ge=1, le=60)]
    restart_backoff_s: Annotated[float, Field(ge=0, le=60)]
    restart_backoff_max_s: Annotated[float, Field(ge=0, le=600)]


class CameraFaults(Section):
    stall_s: Annotated[float, Field(ge=0.2, le=1.5)]
    reopen_s: Annotated[float, Field(ge=0.1, le=10)]


class LensFaults(Section):
    enabled: bool
    sample_s: Annotated[float, Field(ge=0.05, le=0.5)]
    dwell_s: Annotated[float, Field(ge=0.1, le=10)]
    covered_share: Annotated[float, Field(ge=0.5, le=1)]
    covered_luma: Annotated[float, Field(ge=1, le=128)]
    covered_min_lux: Annotated[float, Field(ge=0, le=10_000)]
    blurred_ratio: Annotated[float, Field(ge=0.05, le=0.55)]
    blurred_history_s: Annotated[float, Field(ge=10, le=3600)]


class MicrophoneFaults(Section):
    """When the microphone counts as faulty. A quiet room is no fault: its noise is far above the converter's own."""

    zero_s: Annotated[float, Field(ge=0.2, le=60)]
    silent_below_dbfs: Annotated[float, Field(ge=-110, le=-20)]
    silent_s: Annotated[float, Field(ge=1, le=600)]
    settled_s: Annotated[float, Field(ge=0.1, le=10)]


class StorageFaults(Section):
    slow_ms: Annotated[float, Field(ge=10, le=10_000)]
    slow_p90_ms: Annotated[float, Field(ge=5, le=10_000)]
    low_minutes: Annotated[float, Field(ge=0, le=10_000)]
    very_low_minutes: Annotated[float, Field(ge=0, le=10_000)]


class GnssFaults(Section):
    lost_after_s: Annotated[float, Field(ge=0.1, le=60)]
    implausible_clear_s: Annotated[float, Field(ge=0.5, le=60)]


class ClockFaults(Section):
    step_ms: Annotated[float, Field(ge=10, le=60_000)]
    drift_ppm: Annotated[float, Field(ge=10, le=100_000)]
    drift_window_s: Annotated[float, Field(ge=5, le=7200)]


class BatteryFaults(Section):
    low_minutes: Annotated[float, Field(ge=1, le=240)]
    critical_minutes: Annotated[float, Field(ge=0.5, le=120)]
    cutoff_v: Annotated[float, Field(ge=2, le=60)]
    full_v: Annotated[float, Field(ge=2, le=70)]
    capacity_mah: Annotated[float, Field(ge=50, le=1_000_000)]
    resistance_mohm: Annotated[float, Field(ge=0, le=10_000)]
    nominal_h: Annotated[float, Field(ge=0.1, le=100)]


class ThermalFaults(Section):
    high_c: Annotated[float, Field(ge=30, le=125)]
    clear_c: Annotated[float, Field(ge=20, le=125)]


class Faults(Section):
    """Thresholds of the fault detectors (docs/faults.md)."""

    camera: CameraFaults
    lens: LensFaults
    microphone: MicrophoneFaults
    storage: StorageFaults
    gnss: GnssFaults
    clock: ClockFaults
    battery: BatteryFaults
    thermal: ThermalFaults


InterfacePattern = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._*?@:-]{1,15}$")]
"""A network interface as ``ip link`` names it, or a shell pattern of such names (``wwan*``)."""


class Remote(Section):
    """Configuration pushed from afar: whether it is taken at all, and when it is taken back."""

    enabled: bool
    probation_s: Annotated[float, Field(ge=1, le=86_400)]
    unready_s: Annotated[float, Field(ge=5, le=3600)]
    worker_failures: Annotated[int, Field(ge=1, le=100)]
    faults: Annotated[int, Field(ge=1, le=1000)]
    failed_starts: Annotated[int, Field(ge=1, le=100)]


class Uplink(Section):
    enabled: bool
    store_url: str
    tls_dir: str
    journal_interval_s: Annotated[float, Field(ge=0.2, le=3600)]
    standby_interval_s: Annotated[float, Field(ge=0.2, le=3600)]
    connect_timeout_s: Annotated[float, Field(ge=0.5, le=120)]
    io_timeout_s: Annotated[float, Field(ge=0.5, le=300)]
    backoff_base_s: Annotated[float, Field(ge=0.05, le=60)]
    idle_timeout_s: Annotated[float, Field(ge=1, le=3600)]
    backoff_max_s: Annotated[float, Field(ge=1, le=3600)]
    dock_interfaces: tuple[InterfacePattern, ...]
    metered_interfaces: tuple[InterfacePattern, ...]
    metered: Literal["anchors", "marked", "all"]
    metered_yield_h: Annotated[float, Field(ge=1, le=24)]
    max_kb_s: Annotated[int, Field(ge=0, le=1_000_000)]
    dscp: Annotated[int, Field(ge=0, le=63)]
    grant_patience_s: Annotated[float, Field(ge=1, le=3600)]
    pressing_h: Annotated[float, Field(ge=0, le=24)]


class Mqtt(Section):
    enabled: bool
    host: str
    port: Annotated[int, Field(ge=1, le=65535)]
    keepalive_s: Annotated[int, Field(ge=5, le=3600)]
    # At most half of what the store waits for a word before it gives a unit's slot away (DispatchPolicy.silent_s).
    status_interval_s: Annotated[float, Field(ge=0.5, le=75)]


ClockTime = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class Update(Section):
    """Updates from a hawkBit server (docs/update.md)."""

    enabled: bool
    url: str
    tenant: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    token_file: str
    ca_file: str
    root_dir: str
    kinds: tuple[Literal["deb", "rauc"], ...]
    poll_s: Annotated[float, Field(ge=30, le=86_400)]
    max_kb_s: Annotated[int, Field(ge=0, le=1_000_000)]
    slack_h: Annotated[float, Field(ge=0, le=24)]
    backlog: Annotated[int, Field(ge=0, le=100_000)]
    battery_percent: Annotated[float, Field(ge=0, le=100)]
    free_mb: Annotated[int, Field(ge=0)]
    window_from: ClockTime
    window_to: ClockTime
    well_s: Annotated[float, Field(ge=5, le=86_400)]
    within_s: Annotated[float, Field(ge=30, le=86_400)]


class RecorderConfig(Section):
    """The whole effective configuration of one unit."""

    device: Device
    board: Board
    storage: Storage
    cameras: dict[Identifier, Camera]
    capture: Capture
    audio: Audio
    speech: SpeechDetection
    watermark: Watermark
    sealing: Sealing
    signing: Signing
    trust: Trust
    session: Session
    statutory: Statutory
    officers: Officers
    commands: Commands
    matter: Matter
    controls: Controls
    indicators: dict[str, Indication]
    prompts: Prompts
    vehicle: Vehicle
    watchdog: Watchdog
    night: Night
    gnss: Gnss
    interruption: Interruption
    notes: Notes
    supervision: Supervision
    faults: Faults
    remote: Remote
    uplink: Uplink
    mqtt: Mqtt
    update: Update
