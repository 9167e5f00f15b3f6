"""A unit with an agency that signs assignments, and the hands and voices around it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from hw_sim.agency.certificates import file_signer
from recorder.channel import messages
from recorder.evidence import jws
from recorder.evidence.signer import FileSigner
from recorder.unit.events import ButtonEdge, ControlRequest
from tests.unit.unit_kit import UnitKit

AGENCY = file_signer(ec.generate_private_key(ec.SECP256R1()))
WALL_OFFSET_US = 1_800_000_000_000_000


class DeskKit(UnitKit):
    """``said``: prompts in order, with their values."""

    def __init__(self, data_dir: Path, **sections: dict[str, object]) -> None:
        trust = data_dir / "trust"
        trust.mkdir(parents=True, exist_ok=True)
        spki = AGENCY.public_key().pem()
        (trust / "command-key.pem").write_bytes(spki)
        super().__init__(data_dir, sections={"trust": {"dir": str(trust)}, **sections})
        self.clock.offset_us = WALL_OFFSET_US
        self.said: list[tuple[str, dict[str, object]]] = []
        self.unit.voice = lambda prompt, **values: self.said.append((prompt, values))

    def assignment(self, number: int, signer: FileSigner = AGENCY, **changes: Any) -> str:
        now_s = self.clock.wall_us() / 1e6
        payload: dict[str, Any] = {
            "ver": 1,
            "jti": f"{number:08d}-1111-4111-8111-111111111111",
            "unit_id": self.config.device.id,
            "iat": now_s,
            "exp": now_s + 3600,
            "name": f"officer {number}",
            "cert_no": f"1301-{number}",
        }
        return jws.sign("assignment", payload | changes, signer)

    def show(self, text: str) -> None:
        """The worker read a code."""
        self.say(messages.Qr(camera_id="cam0", at_us=self.clock.now_us, n=self.next_n(), text=text))
        self.turn()

    def speak(self, start_us: int, end_us: int) -> None:
        """The worker heard speech."""
        self.say(
            messages.Speech(
                camera_id="cam0",
                at_us=end_us,
                n=self.next_n(),
                start_us=start_us,
                end_us=end_us,
                final=True,
                level_dbfs=-20.0,
            )
        )
        self.turn()

    def ask(self, cmd: str, **message: Any) -> dict[str, Any]:
        answers: list[dict[str, Any]] = []
        self.events.put(ControlRequest({"cmd": cmd, **message}, answers.append))
        self.turn()
        (answer,) = answers
        return answer

    def press(self, button: str, hold_us: int = 100_000) -> None:
        self.events.put(ButtonEdge(button, True, self.clock.now_us))
        self.turn(hold_us)
        self.events.put(ButtonEdge(button, False, self.clock.now_us))
        self.turn(100_000)

    def start(self, **context: Any) -> str:
        """Record by command; returns the session's id."""
        if not self.camera.connected:
            self.worker_up()
        answer = self.ask("start", **context)
        assert answer["ok"], answer
        session_id = str(answer["session_id"])
        self.say(self.opened(1, session_id))
        self.turn()
        return session_id

    def closed(self, session_id: str, segment: int = 1, *, last: bool = True) -> None:
        """The worker closes a file of the session, with ``last`` the session."""
        end_us = self.clock.now_us
        self.say(self.entry(segment, 0))
        self.say(
            messages.Closed(
                camera_id="cam0",
                at_us=end_us,
                n=self.next_n(),
                session_id=session_id,
                segment_id=self.opened(segment, session_id).segment_id,
                reason="stop",
                last_of_session=last,
                entries=1,
                size=65536,
                sha256="A" * 43,
                plaintext_size=65536,
                plaintext_sha256="A" * 43,
                media_start_us=end_us,
                media_end_us=end_us,
                frames=1,
                dropped_frames=0,
                audio_gaps_us=0,
                fix_seconds=0,
            )
        )
        self.turn()

    def of(self, typ: str) -> list[dict[str, Any]]:
        return [payload for kind, payload in self.records() if kind == typ]

    def prompts(self) -> list[str]:
        return [prompt for prompt, _ in self.said]
