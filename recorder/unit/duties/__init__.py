"""The duties of the unit process, in the order in which they are asked. One room each; see ``recorder.unit.duty``."""

from __future__ import annotations

from recorder.unit.duties.announcements import Announcements
from recorder.unit.duties.board_watchdog import BoardWatchdog
from recorder.unit.duties.command_desk import CommandDesk
from recorder.unit.duties.condition_watch import ConditionWatch
from recorder.unit.duties.context_desk import ContextDesk
from recorder.unit.duties.desired_desk import DesiredDesk
from recorder.unit.duties.device_watch import DeviceWatch
from recorder.unit.duties.evidence_guard import EvidenceGuard
from recorder.unit.duties.fault_voice import FaultVoice
from recorder.unit.duties.ignition_desk import IgnitionDesk
from recorder.unit.duties.interruption_desk import InterruptionDesk
from recorder.unit.duties.mark_desk import MarkDesk
from recorder.unit.duties.officer_desk import OfficerDesk
from recorder.unit.duties.power_on_desk import PowerOnDesk
from recorder.unit.duties.prompts import PromptDesk
from recorder.unit.duties.reload_desk import ReloadDesk
from recorder.unit.duties.restart_desk import RestartDesk
from recorder.unit.duties.session_desk import SessionDesk
from recorder.unit.duties.start_faults import StartFaults
from recorder.unit.duties.statements import StatementDesk
from recorder.unit.duties.statutory_desk import StatutoryDesk
from recorder.unit.duties.stop_desk import StopDesk
from recorder.unit.duties.stray_files import StrayFiles
from recorder.unit.duties.update_desk import UpdateDesk
from recorder.unit.duty import DutyFactory

DUTIES: tuple[DutyFactory, ...] = (
    PromptDesk,  # first, so that the others have a voice from their start
    StartFaults,
    Announcements,  # before those who have more to say of the same record
    SessionDesk,
    ContextDesk,
    InterruptionDesk,  # a press that ends a voice note, or answers a question about a gap, is none of the stop's
    StopDesk,
    MarkDesk,
    OfficerDesk,
    StatutoryDesk,
    EvidenceGuard,
    DeviceWatch,
    StatementDesk,
    ConditionWatch,
    FaultVoice,
    PowerOnDesk,
    StrayFiles,
    IgnitionDesk,
    BoardWatchdog,
    DesiredDesk,
    ReloadDesk,
    RestartDesk,
    UpdateDesk,
    CommandDesk,
)
