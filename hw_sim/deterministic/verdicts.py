"""The fourth promise: the real verifier over the unit's and the store's data, and again after something was changed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hw_sim.deterministic.promises import Violation
from hw_sim.deterministic.truth import Truth
from recorder.evidence.trust import load_trust
from recorder.evidence.verify.report import Report
from recorder.evidence.verify.vaults import verify_vaults

Verify = Callable[[Path, Path], Report]

EXPECTED = frozenset(
    {
        "gap-unexplained",
        "gap-explained",
        "statement-owed",
        "segment-recovered",
        "segment-empty",
        "journal-recovered",
        "journal-repeated-lines",
        "journal-torn-continued",
        "time-claimed",
        "unit-down",
        "tail-bookkeeping",
        "anchor-behind",
        "clock-step",
        "no-officer",
        "one-officer",
        "stop-without-reason",
        "stored-late",
        "store-overdue",
        "command-sealed",
    }
)
"""What power cuts, crashes and interruptions leave; and that orders sealed to the agency stay shut where no identity of the
agency is at hand, as here. Nothing altered, missing, unsigned, forked or unaccounted for."""

CLOCK = frozenset({"time-contradicted", "clock-step-unrecorded", "key-expired"})
"""Only where the wall clock was made to lie."""


ROTTEN = frozenset({"segment-altered", "speech-damaged"})
"""What a rotten bit makes of its segment, and of the speech in it."""


def verify(vault: Path, trust: Path) -> Report:
    return verify_vaults(vault, load_trust(trust))


def named(report: Report) -> set[tuple[str, str]]:
    """(code, subject) of every finding and note."""
    return {(f.code, f.subject) for vault in report.vaults for f in (*vault.findings, *vault.notes)}


def no_false_alarm(truth: Truth, report: Report, *, clock_lied: bool) -> list[Violation]:
    """Every finding has its reason, and what rotted is named."""
    found: list[Violation] = []
    allowed = EXPECTED | CLOCK if clock_lied else EXPECTED
    rotten = {f"segment {segment_id}" for segment_id in truth.rotten}
    seen = named(report)
    for code, subject in sorted(seen):
        if code not in allowed and not (code in ROTTEN and subject in rotten):
            text = next(
                f.en for v in report.vaults for f in (*v.findings, *v.notes) if (f.code, f.subject) == (code, subject)
            )
            found.append(Violation(4, f"the verifier finds {code} ({subject}), which did not happen: {text}"))
    released = {segment_id for _, segment_id, _ in truth.removed}
    for segment_id in sorted(truth.rotten.keys() - truth.never_signed):
        if segment_id not in released and ("segment-altered", f"segment {segment_id}") not in seen:
            found.append(Violation(4, f"a bit of segment {segment_id} rotted, and the verifier does not name it"))
    return found


# --- somebody changes something --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tamper:
    """What was done to a vault, and the findings of which at least one has to name it."""

    what: str
    codes: frozenset[str]
    subject: str = ""


Act = Callable[[Path, random.Random], Tamper | None]


def _segments(vault: Path) -> list[Path]:
    return sorted(path for path in (vault / "segments").glob("*/*.mp4*") if path.stat().st_size)


def _flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def flip_in_segment(vault: Path, rnd: random.Random) -> Tamper | None:
    paths = _segments(vault)
    if not paths:
        return None
    path = rnd.choice(paths)
    _flip(path, rnd.randrange(path.stat().st_size))
    return Tamper("a bit of a segment flipped", frozenset({"segment-altered"}), path.name.split(".")[0])


def cut_segment(vault: Path, rnd: random.Random) -> Tamper | None:
    paths = _segments(vault)
    if not paths:
        return None
    path = rnd.choice(paths)
    path.write_bytes(path.read_bytes()[: rnd.randrange(path.stat().st_size)])
    return Tamper("a segment cut short", frozenset({"segment-truncated"}), path.name.split(".")[0])


def remove_segment(vault: Path, rnd: random.Random) -> Tamper | None:
    paths = _segments(vault)
    if not paths:
        return None
    path = rnd.choice(paths)
    path.unlink()
    return Tamper("a segment removed", frozenset({"segment-missing"}), path.name.split(".")[0])


def swap_segments(vault: Path, rnd: random.Random) -> Tamper | None:
    paths = _segments(vault)
    if len(paths) < 2:
        return None
    one, other = rnd.sample(paths, 2)
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    codes = frozenset({"segment-swapped", "segment-altered", "segment-truncated", "segment-extended"})
    return Tamper("two segments swapped", codes, one.name.split(".")[0])


def flip_in_journal(vault: Path, rnd: random.Random) -> Tamper | None:
    path = rnd.choice(sorted((vault / "journal").glob("*.jws")))
    data = path.read_bytes()
    lines = data.split(b"\n")
    if len(lines) < 4:
        return None
    offset = sum(len(line) + 1 for line in lines[: rnd.randrange(1, len(lines) - 2)]) + 400
    if data[offset : offset + 1] == b"\n":
        return None
    _flip(path, offset)
    codes = {"journal-line-altered", "journal-lines-missing", "journal-chain-broken", "journal-torn-continued"}
    return Tamper("a byte of the journal changed", frozenset(codes))


def cut_journal_tail(vault: Path, rnd: random.Random) -> Tamper | None:
    path = sorted((vault / "journal").glob("*.jws"))[-1]
    lines = path.read_bytes().split(b"\n")[:-1]
    if len(lines) < 30:
        return None
    path.write_bytes(b"".join(line + b"\n" for line in lines[: -rnd.randint(10, 20)]))
    return Tamper("the journal's tail cut off", frozenset({"rolled-back"}))


def remove_line(vault: Path, rnd: random.Random) -> Tamper | None:
    path = rnd.choice(sorted((vault / "journal").glob("*.jws")))
    lines = path.read_bytes().split(b"\n")[:-1]
    if len(lines) < 4:
        return None
    gone = lines.pop(rnd.randrange(1, len(lines) - 1))
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    codes = {"journal-lines-missing"}
    if any(gone in other.read_bytes().splitlines() for other in (vault / "journal").glob("*.jws")):
        # After a storage error lines stand in two files: with one copy gone nothing is missing, but the repeat is no longer
        # the one a storage error leaves, and that is what is named.
        codes.add("journal-lines-repeated")
    return Tamper("a line of the journal removed", frozenset(codes))


def add_file(vault: Path, rnd: random.Random) -> Tamper | None:
    folders = sorted(path for path in (vault / "segments").glob("*") if path.is_dir())
    if not folders:
        return None
    path = rnd.choice(folders) / "00000000-0000-4000-8000-00000000beef.mp4.age"
    path.write_bytes(rnd.randbytes(1000))
    return Tamper("a file smuggled in", frozenset({"file-unsigned"}), path.name)


TAMPERS: tuple[Act, ...] = (
    flip_in_segment,
    cut_segment,
    remove_segment,
    swap_segments,
    flip_in_journal,
    cut_journal_tail,
    remove_line,
    add_file,
)


def any_change_shows(
    vault: Path, trust: Path, rnd: random.Random, check: Verify, before: Report, tampers: Sequence[Act] = TAMPERS
) -> list[Violation]:
    """Change one thing in the vault and verify again: it is named."""
    tamper = None
    for act in rnd.sample(list(tampers), len(tampers)):
        tamper = act(vault, rnd)
        if tamper is not None:
            break
    if tamper is None:
        return []
    found = named(check(vault, trust))
    news = found - named(before)
    # A segment in which a bit had rotted was named already; what names nothing in particular has to be new.
    if any(code in tamper.codes and tamper.subject in subject for code, subject in (found if tamper.subject else news)):
        return []
    return [Violation(4, f"{tamper.what} ({tamper.subject}), and the verifier names only {sorted(news)}")]
