"""Documents of hawkBit's Direct Device Integration API, read and made. Pure.

Source: Eclipse hawkBit, the classes of ``hawkbit-ddi/hawkbit-ddi-api/src/main/java/org/eclipse/hawkbit/ddi/json/model`` and
``docs/direct-device-integration-api.md`` (https://eclipse.dev/hawkbit/rest-api/ddi/). Unknown members are passed over, as
hawkBit's own clients do: the server adds some between versions. What we do need is checked; anything else is a DdiError.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from recorder.update.carriage import Report
from recorder.update.manifest import MAX_BYTES

ActionId = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{1,64}$")]
Href = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
Handling = Literal["skip", "attempt", "forced"]

LEAST_SLEEP_S: Final = 30.0
MOST_SLEEP_S: Final = 86_400.0
_SLEEP: Final = re.compile(r"^(\d{1,4}):([0-5]\d):([0-5]\d)$")
_ACTION: Final = re.compile(r"/(?:deploymentBase|confirmationBase|cancelAction)/([A-Za-z0-9_-]{1,64})$")

T = TypeVar("T")


class DdiError(Exception):
    """The server's answer is none of this API's; the message names the member."""


class Link(msgspec.Struct, frozen=True):
    href: Href


class Polling(msgspec.Struct, frozen=True):
    sleep: str | None = None


class Config(msgspec.Struct, frozen=True):
    polling: Polling = Polling()


class Links(msgspec.Struct, frozen=True, rename="camel"):
    """What the server has for us; None: nothing of the kind."""

    deployment_base: Link | None = None
    cancel_action: Link | None = None
    confirmation_base: Link | None = None
    config_data: Link | None = None


class Base(msgspec.Struct, frozen=True):
    """``GET /{tenant}/controller/v1/{controllerId}``."""

    config: Config = Config()
    links: Links = msgspec.field(name="_links", default=Links())


class Hashes(msgspec.Struct, frozen=True):
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-fA-F]{64}$")]


class ArtifactLinks(msgspec.Struct, frozen=True, rename="kebab"):
    """``download`` is HTTPS; ``download-http`` is not looked at."""

    download: Link | None = None


class Artifact(msgspec.Struct, frozen=True):
    filename: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    hashes: Hashes
    size: Annotated[int, msgspec.Meta(ge=0, le=MAX_BYTES)]
    links: ArtifactLinks = msgspec.field(name="_links", default=ArtifactLinks())


class Chunk(msgspec.Struct, frozen=True):
    artifacts: tuple[Artifact, ...] = ()


class Plan(msgspec.Struct, frozen=True, rename="camel"):
    """``download``, ``update``: ``skip``: not now. ``maintenance_window`` ``unavailable``: download, install later."""

    download: Handling = "forced"
    update: Handling = "forced"
    maintenance_window: Literal["available", "unavailable"] | None = None
    chunks: Annotated[tuple[Chunk, ...], msgspec.Meta(max_length=64)] = ()


class Deployment(msgspec.Struct, frozen=True):
    """``GET …/deploymentBase/{actionId}``."""

    id: ActionId
    deployment: Plan

    def artifact(self, filename: str) -> Artifact | None:
        """The first of that name, in any chunk."""
        found = (each for chunk in self.deployment.chunks for each in chunk.artifacts if each.filename == filename)
        return next(found, None)

    @property
    def may_install(self) -> bool:
        return self.deployment.update != "skip" and self.deployment.maintenance_window != "unavailable"


class Confirmation(msgspec.Struct, frozen=True):
    """``GET …/confirmationBase/{actionId}``: a deployment the server wants confirmed before it shows it."""

    id: ActionId


class StopId(msgspec.Struct, frozen=True, rename="camel"):
    stop_id: ActionId


class Cancel(msgspec.Struct, frozen=True, rename="camel"):
    """``GET …/cancelAction/{actionId}``. ``id``: of the cancellation, ``cancel_action.stop_id``: of what it cancels."""

    id: ActionId
    cancel_action: StopId


def read(body: bytes, kind: type[T]) -> T:
    """A document of the server. Raises DdiError."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DdiError(f"{kind.__name__}: {error}") from error


def sleep_s(base: Base) -> float | None:
    """``config.polling.sleep`` (HH:MM:SS) in seconds, within bounds: a server's slip must not make a unit ask without
    pause, nor forget to. None: the server does not say, or not in that form."""
    match = _SLEEP.match(base.config.polling.sleep or "")
    if match is None:
        return None
    hours, minutes, seconds = (int(part) for part in match.groups())
    return min(max(hours * 3600.0 + minutes * 60 + seconds, LEAST_SLEEP_S), MOST_SLEEP_S)


def action_of(href: str) -> str:
    """The action a link of :class:`Links` is about. Raises DdiError."""
    match = _ACTION.search(href.split("?")[0])
    if match is None:
        raise DdiError(f"link without an action: {href[:200]!r}")
    return match[1]


@dataclass(frozen=True, slots=True)
class Attributes:
    """What the server learns of a target (``configData``): to choose by, no secret and nothing about evidence."""

    unit_id: str
    model: str
    board: str
    version: str

    def body(self) -> dict[str, Any]:
        data = {"unit_id": self.unit_id, "model": self.model, "board": self.board, "version": self.version}
        return {"mode": "merge", "data": {key: value[:128] for key, value in data.items() if value}}


def feedback(report: Report) -> dict[str, Any]:
    """Body of ``POST …/feedback``; hawkBit takes details of 512 characters at most, ``time`` is optional and left to it:
    this unit's clock may not be set."""
    details = [text[:512] for text in report.details]
    return {
        "id": report.action_id,
        "status": {"execution": report.execution, "result": {"finished": report.finished}, "details": details},
    }


def confirmation() -> dict[str, Any]:
    """Body of ``POST …/confirmationBase/{actionId}/feedback``: what is signed and when it is installed is decided later and
    here; the server's question is answered yes."""
    return {
        "confirmation": "confirmed",
        "details": ["设备自行核验与择时 the unit verifies and chooses the time itself"],
    }
