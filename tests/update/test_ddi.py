"""The documents of hawkBit's DDI. The examples are the shapes of its own OpenAPI examples (``@Schema(example=…)`` of
DdiControllerBase, DdiDeploymentBase, DdiCancel, DdiConfirmationBaseAction in eclipse-hawkbit/hawkbit), with values of ours:
contract tests, since hawkBit itself (Java) does not run here."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.update import ddi
from recorder.update.carriage import Report

HOST = "https://management-api.host.com/TENANT_ID/controller/v1/CONTROLLER_ID"


def artifact(name: str, **changes: Any) -> dict[str, Any]:
    where = f"link-to-cdn.com/api/v1/TENANT_ID/download/controller/CONTROLLER_ID/softwaremodules/23/filename/{name}"
    links = {"download": {"href": f"https://{where}"}, "download-http": {"href": f"http://{where}"}}
    hashes = {"sha1": "9" * 40, "md5": "d" * 32, "sha256": "b" * 64}
    return {"filename": name, "hashes": hashes, "size": 13, "_links": links} | changes


BASE = {
    "config": {"polling": {"sleep": "12:00:00"}},
    "_links": {
        "deploymentBase": {"href": f"{HOST}/deploymentBase/5?c=-2127183556"},
        "installedBase": {"href": f"{HOST}/installedBase/4"},
        "configData": {"href": f"{HOST}/configData"},
    },
}
DEPLOYMENT = {
    "id": "8",
    "deployment": {
        "download": "forced",
        "update": "forced",
        "maintenanceWindow": "available",
        "chunks": [
            {"part": "jvm", "version": "1.0.75", "name": "runtime", "artifacts": [artifact("binary.tgz")]},
            {
                "part": "bApp",
                "version": "1.0.91",
                "name": "oneapplication",
                "artifacts": [artifact("update.jws")],
                "metadata": [{"key": "aMetadataKey", "value": "v"}],
            },
        ],
    },
    "actionHistory": {"status": "RUNNING", "messages": ["Reboot", "Download done"]},
}


def encode(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_the_base_document() -> None:
    base = ddi.read(encode(BASE), ddi.Base)
    assert base.links.deployment_base is not None and base.links.cancel_action is None
    assert ddi.action_of(base.links.deployment_base.href) == "5"
    assert ddi.sleep_s(base) == 12 * 3600


@pytest.mark.parametrize(
    ("sleep", "seconds"),
    [("00:05:00", 300), ("00:00:00", ddi.LEAST_SLEEP_S), ("99:00:00", ddi.MOST_SLEEP_S), ("soon", None), (None, None)],
)
def test_how_long_the_server_lets_us_sleep(sleep: str | None, seconds: float | None) -> None:
    assert ddi.sleep_s(ddi.read(encode({"config": {"polling": {"sleep": sleep}}}), ddi.Base)) == seconds
    assert ddi.sleep_s(ddi.read(b"{}", ddi.Base)) is None


def test_a_deployment() -> None:
    deployment = ddi.read(encode(DEPLOYMENT), ddi.Deployment)
    found = deployment.artifact("update.jws")
    assert found is not None and found.links.download is not None
    assert found.links.download.href.startswith("https://link-to-cdn.com/") and deployment.artifact("other") is None
    assert deployment.may_install


@pytest.mark.parametrize("change", [{"update": "skip"}, {"maintenanceWindow": "unavailable"}])
def test_download_now_install_later(change: dict[str, str]) -> None:
    plan = {**DEPLOYMENT["deployment"], **change}  # type: ignore[dict-item]
    assert not ddi.read(encode({**DEPLOYMENT, "deployment": plan}), ddi.Deployment).may_install


def test_cancel_and_confirmation() -> None:
    cancel = ddi.read(encode({"id": "11", "cancelAction": {"stopId": "8"}}), ddi.Cancel)
    assert (cancel.id, cancel.cancel_action.stop_id) == ("11", "8")
    asked = {"id": "6", "confirmation": DEPLOYMENT["deployment"]}
    assert ddi.read(encode(asked), ddi.Confirmation).id == "6"
    assert ddi.confirmation()["confirmation"] == "confirmed"


def test_feedback_is_what_DdiActionFeedback_takes() -> None:
    report = Report("deploymentBase", "8", "closed", "failure", ("x" * 600,))
    body = ddi.feedback(report)
    assert body["status"]["execution"] == "closed" and body["status"]["result"] == {"finished": "failure"}
    assert [len(text) for text in body["status"]["details"]] == [512]


@pytest.mark.parametrize(
    "change",
    [
        {"id": "../8"},
        {"id": None},
        {"deployment": {"chunks": [{"artifacts": [artifact("a", hashes={"sha256": "b"})]}]}},
        {"deployment": {"chunks": [{"artifacts": [artifact("a", size=-1)]}]}},
        {"deployment": {"chunks": "none"}},
        {"deployment": {"update": "perhaps"}},
    ],
)
def test_a_deployment_of_another_form_is_an_error_that_names_the_place(change: dict[str, Any]) -> None:
    with pytest.raises(ddi.DdiError, match=r"\$\."):
        ddi.read(encode({**DEPLOYMENT, **change}), ddi.Deployment)


def mutated(document: Any) -> st.SearchStrategy[bytes]:
    """The document cut, or with bytes replaced."""
    text = encode(document)
    cut = st.integers(0, len(text)).map(lambda end: text[:end])
    place, other = st.integers(0, len(text) - 1), st.binary(min_size=1, max_size=3)
    return cut | st.builds(lambda at, new: text[:at] + new + text[at + len(new) :], place, other)


@given(st.binary(max_size=200) | mutated(BASE) | mutated(DEPLOYMENT))
def test_nothing_a_server_may_say_raises_anything_else(body: bytes) -> None:
    for kind in (ddi.Base, ddi.Deployment, ddi.Cancel, ddi.Confirmation):
        try:
            document = ddi.read(body, kind)
        except ddi.DdiError:
            continue
        assert isinstance(document, kind)
        if isinstance(document, ddi.Base):
            ddi.sleep_s(document)


def test_deep_nesting_is_an_error_too() -> None:
    with pytest.raises(ddi.DdiError):
        ddi.read(b'{"config":' + b"[" * 100_000, ddi.Base)


def test_a_link_without_an_action() -> None:
    with pytest.raises(ddi.DdiError):
        ddi.action_of("https://host/controller/v1/x/deploymentBase/../../8?c=1")
