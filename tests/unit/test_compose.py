"""docker-compose.yml without an engine: its form, its commands, its settings, and who may read what."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import yaml
from compose_spec import PyCompose

from aegis_stream.cli import main
from tests.support.deployment_files import ROOT, documents, looks_secret, pages, wrong_variables

if TYPE_CHECKING:
    from collections.abc import Iterator

(COMPOSE,) = documents("docker-compose.yml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("aegis-stream:")}
OTHERS = {"kafka", "prometheus", "grafana"}
SECRET_FILES = {
    "kek.key": {"init", "reader"},
    "agent-signing.key": {"rotator"},
    "session-signing-enricher-1.key": {"enricher-1"},
    "session-signing-enricher-2.key": {"enricher-2"},
    "pseudonym.key": {"enricher-1", "enricher-2"},
    "dashboard.token": {"dashboard", "prometheus"},
    "grafana.password": {"grafana"},
}
"""Secret files, and who may have them; `init` makes them all, in the folder that it alone sees whole."""


def said(service: dict[str, Any]) -> Iterator[list[str]]:
    """Yield the words of every `aegis` command of a service: its own, its health check's, and those of its script."""
    command, test = service.get("command", []), service.get("healthcheck", {}).get("test", [])
    if "entrypoint" not in service:
        yield list(command)
    if test[:2] == ["CMD", "aegis"]:
        yield test[2:]
    scripts = [*command, test if isinstance(test, str) else ""]
    for line in re.findall(r"^\s*aegis (.+)$", "\n".join(scripts), re.MULTILINE):
        yield shlex.split(line)


COMMANDS = [(name, words) for name, service in OURS.items() for words in said(service)]


def interpolated() -> str:
    """Return the file as an engine reads it: anchors and merges resolved, variables at their defaults."""
    plain = yaml.safe_dump(orjson.loads(orjson.dumps(COMPOSE)))
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", plain).replace("$$", "$")


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """Return what is mounted where, of the files here."""
    pairs = [volume.split(":")[:2] for volume in service.get("volumes", [])]
    return {target: source for source, target in pairs if source.startswith("./")}


def test_the_file_is_a_compose_file() -> None:
    """A member that is misspelt would be passed over in silence, and with it what it protects."""
    read = PyCompose.from_yaml(interpolated())
    read.validate()
    assert set(read.service_names()) == set(SERVICES)
    wrong = yaml.safe_dump({"services": {"one": {"image": "x", "read_onyl": True}}})
    with pytest.raises(ValueError, match="read_onyl"):
        PyCompose.from_yaml(wrong)


def test_every_part_of_a_deployment_is_there() -> None:
    """What people try out is what they will run: none of its parts may be missing."""
    roles = {"init", "rotator", "enricher-1", "enricher-2", "producer", "reader", "dashboard"}
    assert set(OURS) == roles
    assert set(SERVICES) == roles | OTHERS


def test_every_service_has_a_health_check() -> None:
    """`docker compose ps` is the first thing that an operator looks at."""
    checks = {name: service.get("healthcheck", {}) for name, service in SERVICES.items()}
    assert {name for name, check in checks.items() if check.get("disable")} == {"init"}
    assert all(
        check["test"] and check["interval"] and check["timeout"] for name, check in checks.items() if name != "init"
    )
    asked = {path for check in checks.values() for path in re.findall(r":6066(/\w+)", str(check.get("test")))}
    assert asked
    assert asked <= pages()


def test_every_long_lived_service_comes_back() -> None:
    """A process that ended with 70 or 75 is to be started again."""
    assert {name for name, service in SERVICES.items() if service["restart"] != "unless-stopped"} == {"init"}


@pytest.mark.parametrize(("name", "words"), COMMANDS, ids=lambda value: value if isinstance(value, str) else value[0])
def test_every_command_is_one(name: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With the options that it is given: what has another name since would end at once, on somebody else's machine."""
    assert main([*words, "--help"]) == 0, name
    assert "Usage: aegis" in capsys.readouterr().out


def test_commands_of_every_service_were_found() -> None:
    """The test above must not pass because it saw nothing."""
    assert {name for name, _ in COMMANDS} == set(OURS)
    assert [words[:2] for name, words in COMMANDS if name == "init"] == [["topics", "create"], ["keys", "init"]]
    assert main(["keys", "init", "--no-such-option", "--help"]) == 2


def test_settings_are_real_and_none_is_a_secret() -> None:
    """A variable that nobody reads protects nobody; a secret in this file would be in everybody's clone."""
    for name, service in SERVICES.items():
        assert wrong_variables(service.get("environment", {})) == [], name
        assert not [value for value in service.get("environment", {}).values() if looks_secret(str(value))], name
        named = [key for key in service.get("environment", {}) if re.search(r"PASSWORD|SECRET|TOKEN|PRIVATE", key)]
        assert all(key.endswith("_FILE") for key in named), name


def test_each_role_gets_its_own_keys_only() -> None:
    """Whoever breaks into the enricher must find no key that opens an event."""
    holders: dict[str, set[str]] = {key: set() for key in SECRET_FILES}
    for name, service in SERVICES.items():
        for source in mounts(service).values():
            if source.removeprefix("./keys/") in holders:
                holders[source.removeprefix("./keys/")].add(name)
    assert {key: found - {"init"} for key, found in holders.items()} == {
        key: wanted - {"init"} for key, wanted in SECRET_FILES.items()
    }
    assert [name for name, service in SERVICES.items() if "./keys" in mounts(service).values()] == ["init"]
    files = {name: [one["path"] for one in service.get("env_file", [])] for name, service in OURS.items()}
    assert {name: paths for name, paths in files.items() if paths} == {
        "rotator": ["keys/rotator.env"],
        "enricher-1": ["keys/enricher-1.env"],
        "enricher-2": ["keys/enricher-2.env"],
        "reader": ["keys/reader.env"],
        "dashboard": ["keys/operator.env"],
    }


def test_keys_are_mounted_where_their_variables_say() -> None:
    """`keys init` writes the paths that it was given; a container must find its files under them."""
    for name, service in OURS.items():
        for target, source in mounts(service).items():
            if source.startswith("./keys/"):
                assert target == source.removeprefix("."), name


@pytest.mark.parametrize("name", OURS)
def test_our_containers_may_do_nothing(name: str) -> None:
    """A read-only file system, no capability, no way to one, and not root."""
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"\$\{AEGIS_UID:-[1-9][0-9]*\}", service["user"])
    assert not service.keys() & {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc"}
    writable = [volume for volume in service.get("volumes", []) if not volume.endswith(":ro")]
    assert all(volume.startswith("./state") for volume in writable) or name == "init"


def test_nothing_is_reachable_from_outside_this_machine() -> None:
    """It is a deployment to try out, with a broker that asks nobody for a password."""
    assert all(port.startswith("127.0.0.1:") for service in SERVICES.values() for port in service.get("ports", []))


def test_images_of_others_are_pinned() -> None:
    """`latest` is another program every week."""
    assert all(re.search(r":v?[0-9]+\.[0-9]+\.[0-9]+$", SERVICES[name]["image"]) for name in OTHERS)


def test_what_is_mounted_from_here_is_here() -> None:
    """Docker makes a folder of a file that is missing, and the process inside finds that."""
    sources = {source for service in SERVICES.values() for source in mounts(service).values()}
    wanted = {source for source in sources if source.startswith("./deploy/")}
    assert wanted
    assert [source for source in wanted if not (ROOT / source).exists()] == []


def test_prometheus_asks_services_that_are_there() -> None:
    """A target that nobody answers at looks like an outage, or like nothing at all."""
    (config,) = documents("deploy/prometheus/prometheus.yml")
    jobs = config["scrape_configs"]
    targets = {target for job in jobs for one in job["static_configs"] for target in one["targets"]}
    assert targets == {"enricher-1:6066", "enricher-2:6066", "dashboard:6067"}
    assert f'"--port", "{6067}"' in (ROOT / "docker-compose.yml").read_text()
    assert all(SERVICES[name]["environment"]["AEGIS_WEB_HOST"] == "0.0.0.0" for name in ("enricher-1", "enricher-2"))  # noqa: S104 - asserted
    inside = mounts(SERVICES["prometheus"])
    files = [job["authorization"]["credentials_file"] for job in jobs if "authorization" in job]
    assert files
    assert all(inside[file] == "./keys/dashboard.token" for file in files)
    (source,) = documents("deploy/grafana/provisioning/datasources/prometheus.yml")
    assert [one["url"] for one in source["datasources"]] == ["http://prometheus:9090"]
    (provider,) = documents("deploy/grafana/provisioning/dashboards/aegis.yml")
    folders = {target.rpartition("/")[0] for target in mounts(SERVICES["grafana"])}
    assert {one["options"]["path"] for one in provider["providers"]} <= folders
