from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.uplink.links import Cargo, Link, LinkNames, LinkPolicy, MeteredRule

NAMES = LinkNames(dock=("eth0", "end*"), metered=("wwan*", "ppp*", "end9"))
CARGO: tuple[Cargo, ...] = ("anchor", "marked", "plain")
RULES: tuple[MeteredRule, ...] = ("anchors", "marked", "all")


@pytest.mark.parametrize(
    ("interface", "link"),
    [
        ("eth0", Link.DOCK),
        ("end1", Link.DOCK),
        ("end9", Link.DOCK),  # named as both: cheap
        ("eth01", Link.ORDINARY),
        ("wlan0", Link.ORDINARY),
        ("wwan0", Link.METERED),
        ("ppp12", Link.METERED),
        (None, Link.NONE),
    ],
)
def test_the_agency_names_the_interfaces(interface: str | None, link: Link) -> None:
    assert NAMES.classify(interface) is link


@pytest.mark.parametrize(
    ("rule", "marked", "plain"), [("anchors", False, False), ("marked", True, False), ("all", True, True)]
)
@pytest.mark.parametrize("slack_s", [None, 6 * 3600.0 + 1])
def test_the_table_of_a_metered_line(rule: MeteredRule, marked: bool, plain: bool, slack_s: float | None) -> None:
    policy = LinkPolicy(rule, 6 * 3600.0)
    assert policy.allows(Link.METERED, "anchor", slack_s)
    assert policy.allows(Link.METERED, "marked", slack_s) is marked
    assert policy.allows(Link.METERED, "plain", slack_s) is plain


@given(st.sampled_from(RULES), st.sampled_from(CARGO), st.floats(0, 90000), st.floats(-90000, 90000))
def test_little_slack_opens_any_line_and_only_a_metered_one_is_ever_shut(
    rule: MeteredRule, cargo: Cargo, threshold_s: float, slack_s: float
) -> None:
    policy = LinkPolicy(rule, threshold_s)
    for link in (Link.DOCK, Link.ORDINARY, Link.NONE):
        assert policy.allows(link, cargo, slack_s)
    if slack_s <= threshold_s:
        assert policy.allows(Link.METERED, cargo, slack_s)
    # Less time never shuts what more time leaves open.
    assert policy.allows(Link.METERED, cargo, slack_s - 1) >= policy.allows(Link.METERED, cargo, slack_s)
