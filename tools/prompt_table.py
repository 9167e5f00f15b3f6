"""``docs/prompts.md``: every prompt of the catalogue as people read it, Chinese first. Pure."""

from __future__ import annotations

from recorder.officer.prompts.catalogue import NUMERIC, Catalogue, Prompt
from recorder.officer.prompts.joining import text
from recorder.officer.prompts.numerals import LANGUAGES

_HEAD = """# 语音提示 · Spoken prompts

由 `config/prompts/catalogue.toml` 生成，请勿手改：`./dev run python -m tools.render_prompts`。
*Generated from the catalogue; do not edit by hand.*

设备说的每一句话都在下表中。播放的每一句都记入签名日志（`event` `prompt`，见 [formats.md](formats.md)），
并带起止时间：录音中那一段是设备自己的声音，不是现场的声音。
*Everything the unit says is in this table. Each prompt played is a signed record with its beginning and end: in between,
the recording has the unit's own voice in it.*

- 数字、时刻、时长由预先合成的片段拼接而成，日志和报告中写作阿拉伯数字。
  *Numbers, times and durations are joined from rendered pieces; logs and reports have them in digits.*
- 静默模式（`[prompts] stealth`，`recorder ctl stealth on|off`）不出语音和提示音，灯光、振动和记录照常。
  *Stealth mode: no speech, no tones; lights, vibration and the record stay.*
- 优先级：`urgent` 可打断其他提示，然后是 `high`、`normal`、`low`。“间隔”内不重复；等待超过“过期”不再播放，并记入日志。
  *Priority: `urgent` cuts in. Not repeated within the interval; dropped, and recorded so, once stale.*
- 状态的灯光、提示音和振动另见 `config/defaults.toml` 的 `[indicators]`。
  *Lights, tones and vibration of states: `[indicators]` in `config/defaults.toml`.*
"""


def table(catalogue: Catalogue) -> str:
    """The whole page."""
    lines = [
        _HEAD,
        "| 提示 id | 中文 | English | 值 values | 优先级 | 间隔 s | 过期 s | 提示音 Hz | 振动 ms |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_row(prompt) for prompt in catalogue.prompts.values()),
        "",
        "## 枚举值 · Choices",
        "",
        "| 表 table | 值 value | 中文 | English |",
        "|---|---|---|---|",
    ]
    for name, choices in catalogue.choices.items():
        lines += [f"| `{name}` | `{key}` | {words['zh']} | {words['en']} |" for key, words in choices.items()]
    lines += ["", "## 例 · Example", "", *_examples(catalogue), ""]
    return "\n".join(lines)


def _row(prompt: Prompt) -> str:
    values = " ".join(
        f"`{name}`: {kind}" if kind in NUMERIC else f"`{name}`: `{kind}`" for name, kind in prompt.values.items()
    )
    repeat, stale = prompt.repeat_us // 1_000_000, prompt.stale_us // 1_000_000
    cells = [
        f"`{prompt.id}`",
        prompt.text["zh"],
        prompt.text["en"],
        values,
        prompt.priority,
        str(repeat or ""),
        str(stale),
        " ".join(map(str, prompt.tone)),
        " ".join(map(str, prompt.vibration)),
    ]
    return "| " + " | ".join(cells) + " |"


def _examples(catalogue: Catalogue) -> list[str]:
    values = {"begin": 50_709, "end": 50_832, "lasted": 123}
    return [f"- {text(catalogue, 'resumed', values, language)}" for language in LANGUAGES]
