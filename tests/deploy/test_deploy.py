"""deploy/: what can be checked without an agency: programs' own checks, what files say, the arithmetic."""

from __future__ import annotations

import gzip
import json
import re
import shlex
import sqlite3
import subprocess
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from firmware_bridge.clock import SystemClock
from hw_sim.agency.authority import Authority
from hw_sim.agency.nginx import FrontSettings, configuration
from hw_sim.agency.objects.s3 import LIFECYCLE_RULE
from hw_sim.agency.objects.settings import S3Settings, parse_objects
from hw_sim.agency.sizing import Needs, main, size, table
from hw_sim.agency.store.__main__ import arguments
from recorder.fleet.gauge import SlotLimits
from tests.support import require_program

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
PUBLIC = {"443", "8883"}
COMPOSE_SCHEMA = Path(__file__).parent / "compose-spec.schema.json.gz"
"""The Compose Specification's own, as npm's dclint 3.1.0 carries it, written without spaces. Copyright 2020 The Compose
Specification Authors (Apache-2.0: compose-spec.LICENSE)."""


def compose() -> dict[str, Any]:
    loaded = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def environment() -> dict[str, str]:
    lines = (DEPLOY / "systemd/ingest.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


# --- systemd ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["zfy-ingest@.service", "zfy-front.service", "zfy-backup.service", "zfy-backup.timer"])
def test_systemd_takes_the_unit(name: str, tmp_path: Path) -> None:
    """The programs are not here: each is replaced by one that is."""
    analyze = require_program("systemd-analyze")
    text = (DEPLOY / "systemd" / name).read_text(encoding="utf-8")
    text = re.sub(r"(?m)^(Exec\w+=)/\S+", r"\1/bin/true", text)
    (tmp_path / name.replace("@.", "@a.")).write_text(text, encoding="utf-8")
    if name == "zfy-backup.timer":
        (tmp_path / "zfy-backup.service").write_text("[Service]\nType=oneshot\nExecStart=/bin/true\n")
    found = subprocess.run(
        [analyze, "verify", "--man=no", str(tmp_path / name.replace("@.", "@a."))],
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in found.stderr.splitlines() if name.partition(".")[0].rstrip("@") in line]
    assert (found.returncode, said) == (0, []), found.stderr


def test_the_service_starts_the_store_with_options_it_has() -> None:
    text = (DEPLOY / "systemd/zfy-ingest@.service").read_text(encoding="utf-8")
    (command,) = re.findall(r"(?ms)^ExecStart=(.*?[^\\])$", text)
    values = {**environment(), "%i": "a", "%d": "/run/credentials"}
    command = command.replace("\\\n", " ")
    for name, value in values.items():
        command = (
            command.replace("${" + name + "}", value).replace(name, value)
            if name[0] == "%"
            else command.replace("${" + name + "}", value)
        )
    words = command.split()
    assert words[1:3] == ["-m", "hw_sim.agency.store"]
    options = arguments(words[3:])
    assert isinstance(parse_objects(options.objects), S3Settings)
    assert options.shared and options.listen == "unix:/run/zfy-ingest/a.sock"
    assert options.slots == SlotLimits().start
    assert options.retain_days == Needs().days


# --- nginx ------------------------------------------------------------------------------------------------------------

SETTINGS = FrontSettings(
    listen="443",
    sockets=tuple(Path(f"/run/zfy-ingest/{name}.sock") for name in "abc"),
    tls=Path("/etc/zfy-ingest/tls"),
    ca=Path("/etc/zfy-ingest/agency-ca.pem"),
    crl=Path("/etc/zfy-ingest/crl.pem"),
    work=Path("/run/zfy-front"),
    user="www-data",
    connections=size(Needs(units=1000)).connections,
)


def test_nginx_conf_is_what_the_command_makes() -> None:
    assert (DEPLOY / "nginx/nginx.conf").read_text(encoding="utf-8") == configuration(SETTINGS)


def test_nginx_takes_it(tmp_path: Path) -> None:
    nginx = require_program("nginx")
    authority = Authority(tmp_path / "authority", SystemClock())
    text = (DEPLOY / "nginx/nginx.conf").read_text(encoding="utf-8")
    for ours, here in (
        ("/etc/zfy-ingest/tls", authority.server_dir),
        ("/etc/zfy-ingest/agency-ca.pem", authority.ca_file),
        ("/etc/zfy-ingest/crl.pem", authority.crl_file),
        ("/run/zfy-front", tmp_path / "work"),
    ):
        assert ours in text
        text = text.replace(ours, str(here))
    (tmp_path / "work/temp").mkdir(parents=True)
    path = tmp_path / "nginx.conf"
    path.write_text(text.replace("listen 443 ", "listen 127.0.0.1:44300 "), encoding="utf-8")
    found = subprocess.run([nginx, "-t", "-q", "-c", str(path)], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


# --- compose ----------------------------------------------------------------------------------------------------------


def test_compose_is_what_the_compose_specification_says() -> None:
    schema = json.loads(gzip.decompress(COMPOSE_SCHEMA.read_bytes()))
    validator = Draft7Validator(schema)
    assert [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(compose())] == []
    broken = compose()
    broken["services"]["nginx"]["prots"] = broken["services"]["nginx"].pop("ports")
    assert not validator.is_valid(broken), "the check itself finds nothing"


def test_compose_gives_no_container_more_of_the_machine_than_its_files() -> None:
    """And each image is one version, not whatever is the latest."""
    for name, service in compose()["services"].items():
        widening = {
            "privileged",
            "cap_add",
            "devices",
            "network_mode",
            "pid",
            "ipc",
            "userns_mode",
            "uts",
            "volumes_from",
        }
        assert not widening & set(service), name
        assert not any("docker.sock" in volume or volume.startswith("/") for volume in service["volumes"]), name
        assert re.fullmatch(r"[a-z-]+:(\d+\.\d+|local)", service["image"]), name
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    assert re.search(r"^FROM \w+:\d+\.\d+-slim$", text, re.MULTILINE)


def test_the_readme_names_the_ports_compose_publishes() -> None:
    (line,) = [line for line in (DEPLOY / "README.md").read_text(encoding="utf-8").splitlines() if "nmap -p- " in line]
    assert set(re.findall(r"\b\d{3,5}\b", line)) == PUBLIC


def test_compose_publishes_two_ports_and_no_more() -> None:
    services = compose()["services"]
    published = {port.split(":")[0] for service in services.values() for port in service.get("ports", [])}
    assert published == PUBLIC
    assert all(isinstance(port, str) for service in services.values() for port in service.get("ports", []))


def test_compose_starts_the_store_with_options_it_has() -> None:
    services = compose()["services"]
    instances = [name for name in services if name.startswith("ingest-")]
    assert len(instances) == 2
    sockets = set()
    for name in instances:
        words = [re.sub(r"\$\{OBJECTS[^}]*\}", "s3+https://host/evidence", word) for word in services[name]["command"]]
        words = [re.sub(r"\$\{\w+(?::-([^}]*)|:\?[^}]*)?\}", r"\1", word) for word in words]
        options = arguments(words)
        parse_objects(options.objects)
        assert options.shared and options.retain_days == Needs().days
        assert options.slots == SlotLimits().start
        sockets.add(options.listen.removeprefix("unix:"))
    assert sockets <= {str(path) for path in SETTINGS.sockets}


def test_compose_names_only_what_it_has() -> None:
    text = compose()
    for service in text["services"].values():
        assert set(service.get("networks", [])) <= set(text["networks"])
        assert set(service.get("secrets", [])) <= set(text["secrets"])
        assert set(service.get("depends_on", [])) <= set(text["services"])
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in text["volumes"] or source.startswith("."), volume
            if source.startswith("../"):
                assert (DEPLOY / source).exists()
        build = service.get("build")
        assert build is None or (DEPLOY / build["context"] / build["dockerfile"]).exists()


def test_no_container_but_the_ingest_s_sees_key_or_credentials() -> None:
    for name, service in compose()["services"].items():
        sources = {volume.split(":")[0].rstrip("/") for volume in service.get("volumes", [])}
        assert not sources & {".", "./etc", "./etc/store-key.pem", "./etc/aws-credentials"}, name
        assert bool(service.get("secrets")) == name.startswith("ingest-"), name


def test_compose_mounts_each_file_the_commands_name() -> None:
    """A path of a command is a secret, lies in a volume, or is mounted."""
    for name, service in compose()["services"].items():
        targets = [volume.split(":")[1] for volume in service.get("volumes", [])]
        for word in service.get("command", []):
            path = word.split("=")[-1].removeprefix("unix:")
            if path.startswith("/") and not path.startswith("/run/secrets/"):
                assert any(path == target or path.startswith(target + "/") for target in targets), (name, path)


def test_nginx_in_its_container_has_each_file_its_configuration_names() -> None:
    targets = [volume.split(":")[1] for volume in compose()["services"]["nginx"]["volumes"]]
    for path in (SETTINGS.tls, SETTINGS.ca, SETTINGS.crl, SETTINGS.sockets[0].parent):
        assert str(path) in targets


# --- the broker ----------------------------------------------------------------------------------------------------------


def keys(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(re.split(r"\s*=\s*", line, maxsplit=1) for line in lines if line and not line.startswith("#"))


def test_the_cluster_is_three_nodes_and_every_queue_is_on_each() -> None:
    said = keys(DEPLOY / "rabbitmq/cluster.conf")
    nodes = [value for key, value in said.items() if key.startswith("cluster_formation.classic_config.nodes.")]
    assert len(set(nodes)) == 3
    assert said["quorum_queue.initial_cluster_size"] == "3"
    assert said["cluster_partition_handling"] == "pause_minority"
    assert not set(said) & set(keys(ROOT / "hw_sim/agency/brokers/rabbitmq.conf")), "one file says it"


def test_the_plugins_are_those_the_configuration_needs() -> None:
    plugins = (DEPLOY / "rabbitmq/enabled_plugins").read_text(encoding="utf-8").strip()
    assert plugins == "[rabbitmq_mqtt, rabbitmq_auth_mechanism_ssl]."


# --- backup -----------------------------------------------------------------------------------------------------------


def test_what_the_backup_reads_has_an_example_without_a_secret() -> None:
    said = keys(DEPLOY / "systemd/backup.env")
    assert {"RESTIC_REPOSITORY", "RESTIC_PASSWORD_FILE"} <= set(said)
    assert "RESTIC_PASSWORD" not in said


def settings(name: str) -> list[tuple[str, str]]:
    """(key, value) of each setting of a unit, in order."""
    text = (DEPLOY / "systemd" / name).read_text(encoding="utf-8").replace("\\\n", " ")
    pairs = (line.partition("=") for line in text.splitlines() if line[:1].isalpha())
    return [(key, value) for key, _, value in pairs]


def of(name: str, key: str) -> list[str]:
    return [value for this, value in settings(name) if this == key]


def test_the_backup_leaves_out_nothing_it_is_told_to_back_up() -> None:
    """A pattern without a root matches anywhere, the folders that are named included (restic's manual, Excluding files)."""
    (command,) = of("zfy-backup.service", "ExecStart")
    words = shlex.split(command)[2:]
    patterns = [words[at + 1] for at, word in enumerate(words) if word == "--exclude"]
    targets = [PurePosixPath(word) for word in words if word.startswith("/") and word not in patterns]
    assert PurePosixPath("/var/lib/zfy-backup/store.db") in targets and len(patterns) == 2
    for target in targets:
        left_out = [it for it in patterns if any(path.match(it) for path in (target, *target.parents))]
        assert left_out == [], target


def test_the_backup_holds_register_and_vaults(tmp_path: Path) -> None:
    """The unit's own commands with the real programs, on a register in use."""
    programs = {name: require_program(name) for name in ("restic", "sqlite3")}
    root, copy = tmp_path / "var/lib/zfy-ingest", tmp_path / "var/lib/zfy-backup"
    for folder in (root / "staging", root / "zfy-000001/journal", copy):
        folder.mkdir(parents=True)
    (root / "staging/a.part").write_bytes(b"unfinished")
    (root / "zfy-000001/journal/000000000000.jws").write_bytes(b"line\n")
    secret = tmp_path / "restic-password"
    secret.write_text("x\n")
    env = {"PATH": "/usr/bin:/bin", "RESTIC_REPOSITORY": str(tmp_path / "repository")}
    env |= {"RESTIC_PASSWORD_FILE": str(secret), "RESTIC_CACHE_DIR": str(tmp_path / "cache")}

    def run(command: str) -> str:
        words = [word.replace("/var/lib", str(tmp_path / "var/lib")) for word in shlex.split(command)]
        program = programs.get(Path(words[0]).name) or words[0]
        return subprocess.run([program, *words[1:]], env=env, check=True, capture_output=True, text=True).stdout

    run("restic init")
    register = sqlite3.connect(root / "store.db")
    try:
        register.execute("PRAGMA journal_mode=WAL")
        register.execute("CREATE TABLE receipt (jws TEXT)")
        register.commit()
        for key, value in settings("zfy-backup.service"):
            if key in ("ExecStartPre", "ExecStart"):
                run(value)
    finally:
        register.close()
    held = [line.removeprefix(str(tmp_path)) for line in run("restic ls latest").splitlines()]
    assert "/var/lib/zfy-backup/store.db" in held and "/var/lib/zfy-ingest/zfy-000001/journal/000000000000.jws" in held
    assert not [
        path for path in held if path.startswith(("/var/lib/zfy-ingest/store.db", "/var/lib/zfy-ingest/staging"))
    ]


def test_the_backup_leaves_the_evidence_tree_as_the_service_made_it() -> None:
    """systemd sets mode and owner of each StateDirectory= at each start, recursively where they differ."""
    service, backup = "zfy-ingest@.service", "zfy-backup.service"
    tree = of(service, "StateDirectory")
    assert not set(tree) & set(" ".join(of(backup, "StateDirectory")).split())
    assert of(backup, "ReadWritePaths") == [f"/var/lib/{tree[0]}"]
    for key in ("User", "Group", "StateDirectoryMode"):
        assert of(backup, key) == of(service, key) != [], key
    assert of(backup, "UMask") == ["0077"]


def test_the_readme_says_whose_the_backup_s_password_is() -> None:
    (user,) = of("zfy-backup.service", "User")
    path = keys(DEPLOY / "systemd/backup.env")["RESTIC_PASSWORD_FILE"]
    assert f"`{Path(path).name}`（{user} 0400" in (DEPLOY / "README.md").read_text(encoding="utf-8")


# --- firewall ---------------------------------------------------------------------------------------------------------


def test_nft_takes_the_firewall() -> None:
    nft = require_program("nft")
    found = subprocess.run(
        [nft, "-c", "-f", str(DEPLOY / "nftables.conf")], capture_output=True, text=True, check=False
    )
    if "Operation not permitted" in found.stderr or "not supported" in found.stderr:
        pytest.skip(f"内核不允许检查 the kernel does not let us check: {found.stderr.splitlines()[0]}")
    assert found.returncode == 0, found.stderr


def test_units_reach_the_two_ports_compose_publishes() -> None:
    text = (DEPLOY / "nftables.conf").read_text(encoding="utf-8")
    (opened,) = re.findall(r"ip saddr \$units tcp dport \{([^}]*)\}", text)
    assert {port.strip() for port in opened.split(",")} == PUBLIC
    assert len(re.findall(r"policy drop", text)) == 2


# --- sizing -----------------------------------------------------------------------------------------------------------

COLUMNS = (Needs(units=1000), Needs(units=10000))


def test_the_readme_s_numbers_are_the_arithmetic_s() -> None:
    readme = (DEPLOY / "README.md").read_text(encoding="utf-8")
    (written,) = re.findall(r"<!-- sizing -->\n\n(.*?)\n<!-- /sizing -->", readme, re.DOTALL)
    assert written == table(COLUMNS)


def test_the_arithmetic_by_hand() -> None:
    """6,064 kbit/s for two hours, 7 % more: 5.84 GB; a thousand of them in eight hours with a quarter to spare."""
    found = size(Needs(units=1000))
    assert found.unit_gb_day == pytest.approx(7200 * 6.064e6 / 8 * 1.07 / 1e9)
    assert found.link_gbit == pytest.approx(found.unit_gb_day * 1000 / (8 * 3600) * 1.25 * 8)
    assert found.stored_pb == pytest.approx(found.unit_gb_day * 1000 * 183 / 1e6)
    assert found.disks * 20 * 0.8 / 1.5 >= found.stored_pb * 1000 > (found.disks - 1) * 20 * 0.8 / 1.5


def test_nginx_has_a_connection_for_both_halves_of_what_each_unit_keeps() -> None:
    for needs in COLUMNS:
        found = size(needs)
        assert found.connections * needs.workers >= needs.units / found.machines * needs.kept * 2


def test_more_units_never_need_less(capsys: pytest.CaptureFixture[str]) -> None:
    small, large = size(COLUMNS[0]), size(COLUMNS[1])
    assert large.instances >= small.instances >= 2
    assert large.disks > small.disks
    assert main(["--units", "50", "--hours", "1.5"]) == 0
    assert "50 台 units" in capsys.readouterr().out


# --- object stores ----------------------------------------------------------------------------------------------------


def test_the_life_cycle_file_is_the_rule_the_command_sets() -> None:
    written = json.loads((DEPLOY / "aws/lifecycle.json").read_text(encoding="utf-8"))
    assert written == {"Rules": [LIFECYCLE_RULE]}
    assert not {key for key in LIFECYCLE_RULE if "Expiration" in key or "Transition" in key}


def test_the_gateway_s_users_are_a_script_sh_takes() -> None:
    found = subprocess.run(["sh", "-n", str(DEPLOY / "ceph/users.sh")], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.parametrize("engine", ["aws", "ceph"])
def test_the_policy_allows_nothing_that_destroys(engine: str) -> None:
    policy = json.loads((DEPLOY / engine / "policy.json").read_text(encoding="utf-8"))
    allowed = {action for it in policy["Statement"] if it["Effect"] == "Allow" for action in it["Action"]}
    denied = {action for it in policy["Statement"] if it["Effect"] == "Deny" for action in it["Action"]}
    assert not [action for action in allowed if "*" in action or "Delete" in action or "Bypass" in action]
    assert not allowed & denied
    assert {"s3:BypassGovernanceRetention", "s3:DeleteObjectVersion", "s3:PutLifecycleConfiguration"} <= denied
