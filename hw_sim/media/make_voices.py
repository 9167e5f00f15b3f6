"""Makes the voices shipped beside it with espeak-ng (Debian): ``python -m hw_sim.media.make_voices [FOLDER]``.

The clips are shipped so that no test needs a synthesizer. 16 kHz mono, trimmed to the voice, whose RMS is at -20 dBFS:
how near somebody stands is a matter of the gain a clip is played with. Nobody's real voice and nobody's real case.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from firmware_bridge.ports import Samples
from hw_sim.devices.sound import decode

FOLDER: Final = Path(__file__).parent
RATE: Final = 16_000
_LEVEL_DBFS: Final = -20.0
_MARGIN: Final = RATE // 20


@dataclass(frozen=True, slots=True)
class Line:
    """``text`` is what ``pinyin`` says: the Mandarin voice of Debian 12's espeak-ng mangles characters, not pinyin."""

    name: str
    voice: str
    pitch: int
    text: str
    pinyin: str


LINES: Final = (
    Line(
        "officer_explains",
        "cmn-latn-pinyin",
        40,
        "录像中断，是因为摄像头连接线松动，现在已经恢复。",
        "lu4 xiang4 zhong1 duan4, shi4 yin1 wei4 she4 xiang4 tou2 lian2 jie1 xian4 song1 dong4, "
        "xian4 zai4 yi3 jing1 hui1 fu4.",
    ),
    Line("officer_says_yes", "cmn-latn-pinyin", 40, "好的，知道了。", "hao3 de5, zhi1 dao4 le5."),
    Line(
        "bystander_talks",
        "cmn-latn-pinyin+f2",
        60,
        "你们在这里干什么？我只是路过，什么都没有看见。",
        "ni3 men5 zai4 zhe4 li3 gan4 shen2 me5? wo3 zhi3 shi4 lu4 guo4, shen2 me5 dou1 mei2 you3 kan4 jian4.",
    ),
)


def say(line: Line) -> Samples:
    """Raises FileNotFoundError without espeak-ng, subprocess.CalledProcessError when it does not know the voice."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spoken.wav"
        command = ["espeak-ng", "-v", line.voice, "-p", str(line.pitch), "-s", "175", "-w", str(path), line.pinyin]
        subprocess.run(command, check=True)
        spoken = decode(str(path), RATE).astype(np.float64)
    voiced = np.flatnonzero(np.abs(spoken) > 0.01 * np.abs(spoken).max())
    spoken = spoken[max(0, voiced[0] - _MARGIN) : voiced[-1] + _MARGIN]
    loud = spoken[np.abs(spoken) > 0.02 * np.abs(spoken).max()]
    spoken *= 32768 * 10 ** (_LEVEL_DBFS / 20) / np.sqrt(np.mean(loud**2))
    return np.asarray(np.rint(spoken.clip(-32_000, 32_000)), np.int16)


def main(arguments: list[str] | None = None) -> int:
    given = sys.argv[1:] if arguments is None else arguments
    folder = Path(given[0]) if given else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for line in LINES:
        samples = say(line)
        path = folder / f"{line.name}.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(samples.tobytes())
        sys.stdout.write(f"{path}: {len(samples) / RATE:.2f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
