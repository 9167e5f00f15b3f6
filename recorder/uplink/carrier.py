"""What the agency sends to a unit besides receipts and acknowledgements is handled by carriers, one per topic.

A carrier belongs to :class:`recorder.uplink.mqtt_desk.MqttDesk` and is called on its thread only. It takes what came down,
hands it to whoever may decide about it (the uplink decides nothing) and says what to publish about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from recorder.uplink.mqtt import MessageProperties


@dataclass(frozen=True, slots=True)
class Answer:
    """Published as ``fleet/v1/{unit}/{suffix}`` with ``members``, ``msg_id`` and ``sent_at`` (docs/wire.md).

    The newest few wait for a connection, not durably: what must arrive is repeated by its owner, or asked for again by
    whoever waits for it. What is retained does not wait: its carrier repeats it on every connection (``connected``).
    ``correlation_data``: MQTT 5 Correlation Data (§3.3.2.3.6) of the message answered. ``expiry_s``:
    seconds after which nobody waits for it any more; None: it stays.
    """

    suffix: str
    members: dict[str, Any]
    retain: bool = False
    correlation_data: bytes | None = None
    expiry_s: int | None = None


class Carrier(Protocol):
    @property
    def suffix(self) -> str:
        """The topic below ``fleet/v1/{unit}/`` it handles, such as ``down/assign``."""

    def arrived(self, value: dict[str, Any], properties: MessageProperties) -> None:
        """One message, perhaps not for the first time (QoS 1), perhaps retained. Quick, and never waits.

        Raises ValueError for anything that is not what docs/wire.md says; its text goes to log and status file, so it
        must not repeat what the message said about people or places.
        """

    def connected(self) -> None:
        """A new connection stands; what was published on an earlier one may not have arrived."""

    def tick(self, now_us: int) -> list[Answer]:
        """Do what is due at boot time ``now_us``; what to publish, in order. Called about twice a second."""
