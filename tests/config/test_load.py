"""Whatever the files say, there is a configuration to record with, and what was set aside is told (promise 1)."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recorder.config.last_good import LAST_GOOD, PUSHED
from recorder.config.load import Loaded, canonical, load_config, save_last_good
from recorder.config.paths import ShippedFilesMissing, defaults_file
from recorder.config.problems import KeyPath
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.files import OsFiles
from tests.config.conftest import KEY_A, KEY_B, SEALED

Write = Callable[[str, str], Path]

AGENCY = SEALED + "[capture]\nsegment_s = 30\n"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "data"
    directory.mkdir()
    return directory


def keys(loaded: Loaded) -> list[str]:
    return [problem.key for problem in loaded.problems]


def test_layers_in_order_and_where_each_value_stands(write: Write, data_dir: Path) -> None:
    agency = write("agency.toml", AGENCY + "gop_s = 2\npre_event_s = 5\nbuffer_mb = 16\n")
    unit = write("unit.toml", "[capture]\ngop_s = 0.5\npre_event_s = 6\nbuffer_mb = 17\n")
    write(f"data/{PUSHED}", "[capture]\npre_event_s = 7\nbuffer_mb = 18\n")
    loaded = load_config([agency, unit], {"RECORDER__CAPTURE__BUFFER_MB": "19"}, data_dir)
    capture = loaded.config.capture
    assert (capture.segment_s, capture.gop_s, capture.pre_event_s, capture.buffer_mb) == (30, 0.5, 7, 19)
    assert str(loaded.provenance[("capture", "post_event_s")]).startswith(str(defaults_file()))
    assert str(loaded.provenance[("capture", "segment_s")]) == f"{agency}:4:1"
    assert str(loaded.provenance[("capture", "gop_s")]) == f"{unit}:2:1"
    assert str(loaded.provenance[("capture", "pre_event_s")]) == f"{data_dir / PUSHED}:2:1"
    assert str(loaded.provenance[("capture", "buffer_mb")]) == "env RECORDER__CAPTURE__BUFFER_MB"
    assert (loaded.status, loaded.problems) == ("applied", ())
    assert loaded.layer_names == (
        str(defaults_file()),
        str(agency),
        str(unit),
        str(data_dir / PUSHED),
        "environment",
    )
    assert loaded.sha256 == sha256_b64u(canonical(loaded.config))


def test_the_digest_is_of_the_values_not_of_how_they_were_written(write: Write, data_dir: Path) -> None:
    one = load_config([write("a.toml", AGENCY)], {}, data_dir)
    same = load_config([write("b.toml", "# other text\n" + AGENCY.replace("30", "30.0"))], {}, data_dir)
    other = load_config([write("c.toml", AGENCY.replace("30", "31"))], {}, data_dir)
    assert one.sha256 == same.sha256 != other.sha256


def test_only_the_setting_in_error_is_set_aside_and_the_keys_stay(write: Write, data_dir: Path) -> None:
    agency = write("agency.toml", AGENCY + "gop_s = 99\nsegmnt_s = 5\n[nonsense]\nx = 1\n")
    loaded = load_config([agency], {}, data_dir)
    assert loaded.status == "fallback"
    assert loaded.config.sealing.recipients == (KEY_A, KEY_B)
    assert loaded.config.capture.segment_s == 30
    assert loaded.config.capture.gop_s == 1
    assert sorted(keys(loaded)) == ["capture.gop_s", "capture.segmnt_s", "nonsense"]
    assert all(error.startswith(str(agency)) for error in loaded.errors)


def test_a_lower_layers_value_shows_where_a_higher_ones_is_set_aside(write: Write, data_dir: Path) -> None:
    unit = write("unit.toml", "[capture]\nsegment_s = 0\n")
    loaded = load_config([write("agency.toml", AGENCY), unit], {"RECORDER__CAPTURE__GOP_S": "soon"}, data_dir)
    assert (loaded.config.capture.segment_s, loaded.config.capture.gop_s) == (30, 1)
    assert loaded.status == "fallback"
    assert sorted(keys(loaded)) == ["capture.gop_s", "capture.segment_s"]


def test_one_bad_key_among_the_recipients_does_not_unseal(write: Write, data_dir: Path) -> None:
    agency = write("agency.toml", f'[sealing]\nrecipients = ["age1bad", "{KEY_A}", "age1worse", "{KEY_B}", "x"]\n')
    loaded = load_config([agency], {}, data_dir)
    assert loaded.config.sealing.recipients == (KEY_A, KEY_B)
    assert loaded.status == "fallback"
    assert len(loaded.errors) == 3


def test_a_mistyped_key_is_found_by_its_checksum(write: Write, data_dir: Path) -> None:
    mistyped = KEY_A.replace("7hj", "7jh")
    agency = write("agency.toml", f'[sealing]\nrecipients = ["{KEY_A}", "{mistyped}", "{KEY_B}"]\n')
    loaded = load_config([agency], {}, data_dir)
    assert loaded.config.sealing.recipients == (KEY_A, KEY_B)
    assert keys(loaded) == ["sealing.recipients.1"]
    assert "checksum" in loaded.errors[0] and "校验" in loaded.errors[0]


def test_one_recipient_still_seals_and_is_reported(write: Write, data_dir: Path) -> None:
    agency = write("agency.toml", f'[sealing]\nrecipients = ["{KEY_A}"]\n[capture]\nsegment_s = 30\n')
    loaded = load_config([agency], {}, data_dir)
    assert loaded.config.sealing.recipients == (KEY_A,)
    assert loaded.config.capture.segment_s == 30
    assert keys(loaded) == ["sealing.recipients"]
    assert loaded.status == "applied"
    assert not save_last_good(OsFiles(), loaded)


def test_a_bad_setting_beside_too_few_recipients_costs_no_recipient(write: Write, data_dir: Path) -> None:
    agency = write("agency.toml", f'[sealing]\nrecipients = ["{KEY_A}"]\n[night]\non_below_lux = 99\n')
    loaded = load_config([agency], {}, data_dir)
    assert loaded.config.sealing.recipients == (KEY_A,)
    assert loaded.config.night.on_below_lux == 5
    assert sorted(keys(loaded)) == ["night.on_below_lux", "sealing.recipients"]


def test_contradicting_settings_give_way_to_ones_that_do_not(write: Write, data_dir: Path) -> None:
    agency = write("agency.toml", AGENCY + '[controls.stop]\nkind = "press"\nhold_s = 3\n[night]\non_below_lux = 50\n')
    config = load_config([agency], {}, data_dir).config
    assert (config.controls.stop.kind, config.controls.stop.hold_s) == ("hold", 3)
    assert config.night.on_below_lux < config.night.off_above_lux


def saved(write: Write, data_dir: Path, *texts: str) -> list[Path]:
    """Files of a configuration that worked, kept as last good."""
    files = [write(f"{number}.toml", text) for number, text in enumerate(texts)]
    head = f'[storage]\ndata_dir = "{data_dir}"\n'
    files[0].write_text(head + texts[0], encoding="utf-8")
    assert save_last_good(OsFiles(), load_config(files, {}, data_dir))
    assert (data_dir / LAST_GOOD).stat().st_mode & 0o777 == 0o640
    return files


def test_a_broken_file_is_replaced_by_what_last_worked_in_it(write: Write, data_dir: Path) -> None:
    agency, unit = saved(write, data_dir, AGENCY, '[device]\nid = "zfy-1"\n')
    agency.write_text("[sealing\n", encoding="utf-8")
    unit.write_text('[device]\nid = "zfy-2"\n', encoding="utf-8")
    loaded = load_config([agency, unit], {}, data_dir)
    assert loaded.config.sealing.recipients == (KEY_A, KEY_B)
    assert loaded.config.capture.segment_s == 30
    assert loaded.config.device.id == "zfy-2"  # the good file counts as it stands
    assert loaded.status == "fallback"
    assert [str(problem.place) for problem in loaded.problems] == [f"{agency}:1:9"]
    assert loaded.layer_names[1] == f"{agency} (last good)"


def test_broken_files_keep_their_order(write: Write, data_dir: Path) -> None:
    files = saved(write, data_dir, AGENCY, "[capture]\nsegment_s = 31", "[capture]\nsegment_s = 32")
    for file in files:
        file.unlink()
    assert load_config(files, {}, data_dir).config.capture.segment_s == 32
    files[2].write_text("[capture]\nsegment_s = 33", encoding="utf-8")
    assert load_config(files, {}, data_dir).config.capture.segment_s == 33


def test_a_setting_in_error_brings_back_its_files_last_good_version(write: Write, data_dir: Path) -> None:
    (agency,) = saved(write, data_dir, AGENCY)
    agency.write_text(AGENCY.replace("30", "0") + "gop_s = 2", encoding="utf-8")
    capture = load_config([agency], {}, data_dir).config.capture
    assert (capture.segment_s, capture.gop_s) == (30, 1)


def test_what_root_reads_believes_no_file_of_the_unit_process(write: Write, data_dir: Path) -> None:
    """Whoever has taken the unit process over writes both files below: neither says whose updates are installed."""
    (agency,) = saved(write, data_dir, AGENCY)
    stored = json.loads((data_dir / LAST_GOOD).read_text(encoding="utf-8"))
    stored["layers"].append(
        {"name": str(data_dir / PUSHED), "kind": "pushed", "data": {"trust": {"dir": "/var/lib/recorder/mine"}}}
    )
    (data_dir / LAST_GOOD).write_text(json.dumps(stored), encoding="utf-8")
    write(f"data/{PUSHED}", '[trust]\ndir = "/var/lib/recorder/mine"\n[capture\n')
    assert load_config([agency], {}, data_dir).config.trust.dir == "/var/lib/recorder/mine"
    config = load_config([agency], {}, data_dir, with_last_good=False).config
    assert config.trust.dir == load_config([], {}, Path("/nonexistent")).config.trust.dir
    assert config.capture.segment_s == 30, "root's own files count"


def test_losing_the_recipients_brings_them_back(write: Write, data_dir: Path) -> None:
    (agency,) = saved(write, data_dir, AGENCY)
    agency.write_text(f'[sealing]\nrecipients = ["{KEY_A}"]\n', encoding="utf-8")
    loaded = load_config([agency], {}, data_dir)
    assert loaded.config.sealing.recipients == (KEY_A, KEY_B)
    assert loaded.status == "fallback"


def test_switching_sealing_off_on_purpose_is_obeyed(write: Write, data_dir: Path) -> None:
    (agency,) = saved(write, data_dir, AGENCY)
    agency.write_text("[sealing]\nenabled = false\n", encoding="utf-8")
    loaded = load_config([agency], {}, data_dir)
    assert (loaded.config.sealing.enabled, loaded.status) == (False, "applied")


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"version": 2}', '{"version": 1, "sha256": "", "layers": []}'])
def test_a_damaged_last_good_is_reported_and_ignored(write: Write, data_dir: Path, damage: str) -> None:
    write(f"data/{LAST_GOOD}", damage)
    agency = write("agency.toml", AGENCY + "gop_s = 99\n")
    loaded = load_config([agency], {}, data_dir)
    assert loaded.config.capture.segment_s == 30
    assert any(str(data_dir / LAST_GOOD) in error for error in loaded.errors)
    assert load_config([write("good.toml", AGENCY)], {}, data_dir).status == "applied"  # not even read


def test_a_last_good_with_bad_settings_does_no_harm(write: Write, data_dir: Path) -> None:
    agency = write("agency.toml", AGENCY + "gop_s = 99\n")
    layer = {"name": str(agency), "kind": "file", "data": {"capture": {"segment_s": "long", "gop_s": 3}}}
    write(f"data/{LAST_GOOD}", json.dumps({"version": 1, "sha256": "x", "layers": [layer]}))
    loaded = load_config([agency], {}, data_dir)
    assert loaded.config.sealing.recipients == (KEY_A, KEY_B)  # without its settings in error the file itself is better
    assert loaded.config.capture.segment_s == 30


def test_a_push_may_not_say_who_the_unit_is_or_whom_it_trusts(write: Write, data_dir: Path) -> None:
    agency = write("agency.toml", AGENCY + '[device]\nid = "zfy-1"\n')
    write(
        f"data/{PUSHED}",
        '[device]\nid = "other"\n[trust]\ndir = "/tmp"\n[board]\nmodule = "x"\n[audio]\nrate = 16000\n',
    )
    loaded = load_config([agency], {"RECORDER__TRUST__DIR": "/env"}, data_dir)
    assert (loaded.config.device.id, loaded.config.trust.dir, loaded.config.audio.rate) == ("zfy-1", "/env", 16000)
    assert loaded.config.board.module == "firmware_bridge.raspberry_pi.board"
    assert sorted(keys(loaded)) == ["board", "device.id", "trust"]
    assert loaded.status == "fallback"


def test_a_broken_push_changes_nothing(write: Write, data_dir: Path) -> None:
    write(f"data/{PUSHED}", "[audio\n")
    loaded = load_config([write("agency.toml", AGENCY)], {}, data_dir)
    assert (loaded.config.capture.segment_s, loaded.status) == (30, "fallback")


def test_stored_configuration_is_looked_for_where_the_layers_say(write: Write, tmp_path: Path) -> None:
    write(f"one/{PUSHED}", "[audio]\nrate = 16000\n")
    write(f"two/{PUSHED}", "[audio]\nrate = 24000\n")
    agency = write("agency.toml", AGENCY + f'[storage]\ndata_dir = "{tmp_path / "one"}"\n')
    assert load_config([agency], {}).config.audio.rate == 16000
    assert load_config([agency], {}, tmp_path / "two").config.audio.rate == 16000
    env = {"RECORDER__STORAGE__DATA_DIR": str(tmp_path / "two")}
    assert load_config([agency], env).config.audio.rate == 24000
    assert load_config([], {}, tmp_path / "two").config.audio.rate == 24000


@pytest.mark.parametrize("value", ["7", '""', '"/nonexistent/a\\u0000b"', "[[x]]"])
def test_an_impossible_data_dir_is_survived(write: Write, value: str) -> None:
    assert load_config([write("agency.toml", AGENCY + f"[storage]\ndata_dir = {value}\n")], {}).config.capture.segment_s


def test_a_file_where_the_data_dir_should_be(write: Write, tmp_path: Path) -> None:
    agency = write("agency.toml", AGENCY + "gop_s = 99\n")
    assert load_config([agency], {}, agency).config.capture.gop_s == 1
    if os.geteuid() != 0:
        locked = tmp_path / "locked"
        locked.mkdir(mode=0)
        assert load_config([agency], {}, locked).config.capture.gop_s == 1


def test_broken_shipped_defaults_are_said_so(write: Write, tmp_path: Path) -> None:
    for broken in (tmp_path / "absent.toml", write("defaults.toml", "["), write("short.toml", "[device]")):
        with pytest.raises(ShippedFilesMissing):
            load_config([], {}, defaults=broken)


BAD = st.one_of(
    st.sampled_from(
        ["[", "a", "[capture]", "gop_s = 99", "segment_s = 30", "[night]", "on_below_lux = 13", "lamp = 3"]
    ),
    st.sampled_from(["[cameras.x]", "width = 640", "[storage]", "data_dir = 3", "[[mqtt]]", "port = 0", "capture = 1"]),
    st.sampled_from(["[sealing]", "recipients = [1]"]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.lists(BAD, max_size=6), max_size=3), st.booleans())
def test_there_is_always_a_configuration_and_never_silence(
    tmp_path: Path, files: list[list[str]], with_last_good: bool
) -> None:
    paths = [tmp_path / f"{number}.toml" for number in range(len(files))]
    data_dir = tmp_path / ("kept" if with_last_good else "bare")
    if with_last_good and paths:
        text = SEALED + f'[storage]\ndata_dir = "{data_dir}"\n'
        paths[0].write_text(text, encoding="utf-8")
        for path in paths[1:]:
            path.write_text("", encoding="utf-8")
        assert save_last_good(OsFiles(), load_config(paths, {}))
    for path, lines in zip(paths, files, strict=True):
        path.write_text("\n".join(lines), encoding="utf-8")
    loaded = load_config(paths, {}, data_dir)
    assert loaded.config.cameras
    assert loaded.config.night.off_above_lux > loaded.config.night.on_below_lux
    if loaded.status == "fallback":
        assert loaded.errors
    again = load_config(paths, {}, data_dir)
    assert (again.sha256, again.problems) == (loaded.sha256, loaded.problems)
    leaf: KeyPath
    for leaf in (("capture", "gop_s"), ("mqtt", "port"), ("device", "id")):
        assert loaded.provenance[leaf].source
