"""Matter, stage and mode: the regulation's words and no others, merged field by field, never lowered on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.evidence.base import SealedField
from recorder.evidence.matter import ActionKind, Matter, Mode, Stage
from recorder.session.context import KINDS, MODES, STAGES, ContextError, kind_of, lowers, merged, mode_of, stage_of

SEALED = [SealedField(plain=f"{n}", digest=f"{n}" * 43) for n in range(3)]
MATTERS = st.builds(
    Matter,
    kind=st.sampled_from([None, *get_args(ActionKind)]),
    stage=st.sampled_from([None, *get_args(Stage)]),
    item=st.sampled_from([None, *SEALED]),
    entrusting_agency=st.sampled_from([None, *SEALED]),
    documents=st.sampled_from([None, *SEALED]),
)


def test_the_tables_hold_exactly_the_regulations_words() -> None:
    assert tuple(MODES) == get_args(Mode)
    assert tuple(STAGES) == get_args(Stage) == ("启动", "调查取证", "审查决定", "送达执行")
    assert tuple(KINDS) == get_args(ActionKind) == ("行政处罚", "行政许可", "行政强制", "行政检查", "行政征收征用")


def test_both_languages_are_understood() -> None:
    assert mode_of(" whole ") == mode_of("全程") == "全程"
    assert stage_of("Service") == "送达执行"
    assert kind_of("inspection") == "行政检查"


@pytest.mark.parametrize(("parse", "table"), [(mode_of, MODES), (stage_of, STAGES), (kind_of, KINDS)])
def test_an_unknown_word_is_refused_naming_the_known_ones(
    parse: Callable[[str], str], table: Mapping[str, str]
) -> None:
    with pytest.raises(ContextError) as caught:
        parse("执行")
    assert all(word in caught.value.zh and word in caught.value.en for word in table)


@given(known=MATTERS, said=MATTERS)
def test_what_is_left_out_stays(known: Matter, said: Matter) -> None:
    result = merged(known, said)
    assert result is not None
    for name in Matter.model_fields:
        assert getattr(result, name) == (getattr(said, name) or getattr(known, name))
    assert merged(None, said) == said and merged(known, None) == known


def test_only_the_step_down_is_a_lowering() -> None:
    pairs = {(now, wanted): lowers(now, wanted) for now in MODES for wanted in (*MODES, None)}
    assert [pair for pair, low in pairs.items() if low] == [("全程", "一般")]
