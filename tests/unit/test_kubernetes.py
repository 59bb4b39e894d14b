"""deploy/kubernetes without a cluster: the schemas, what pods may do, and that all they name is there."""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kubernetes_validate
import pytest
import yaml

from aegis_stream.cli import main
from aegis_stream.hybrid import HybridKEM
from aegis_stream.settings import load_settings
from aegis_stream.signature import HybridSignature
from tests.support.deployment_files import ROOT, documents, looks_secret, pages, wrong_variables
from topologies.metrics import EnricherMetrics
from topologies.side_doors import KeyRule, SideDoors

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = ROOT / "deploy" / "kubernetes"
VERSION = "1.34"
NOT_APPLIED = {"kustomization.yaml", "adapter-rules.yaml"}
RESOURCES = [
    (path.name, one)
    for path in sorted(FOLDER.glob("*.yaml"))
    if path.name != "kustomization.yaml"
    for one in documents(str(path.relative_to(ROOT)))
]
BY_KIND = {(one["kind"], one["metadata"]["name"]): one for _, one in RESOURCES}
WORKLOADS = {name: one for (kind, name), one in BY_KIND.items() if kind == "Deployment"}


def pod(name: str) -> dict[str, Any]:
    """Return a workload's pod."""
    found: dict[str, Any] = WORKLOADS[name]["spec"]["template"]["spec"]
    return found


def container(name: str) -> dict[str, Any]:
    """Return the one container of a workload's pod."""
    (only,) = pod(name)["containers"]
    return dict(only)


def environment(name: str) -> dict[str, str]:
    """Return the variables of a container, those of its ConfigMap among them."""
    given: dict[str, str] = {}
    for source in container(name)["envFrom"]:
        given |= BY_KIND["ConfigMap", source["configMapRef"]["name"]]["data"]
    return given | {one["name"]: one["value"] for one in container(name)["env"]}


def files(name: str) -> set[str]:
    """Return the paths of the files that Secrets and ConfigMaps put into a container."""
    places = {one["name"]: one["mountPath"] for one in container(name)["volumeMounts"]}
    found = set()
    for volume in pod(name)["volumes"]:
        if "secret" in volume:
            keys = BY_KIND["Secret", volume["secret"]["secretName"]]["stringData"]
        elif "configMap" in volume:
            keys = BY_KIND["ConfigMap", volume["configMap"]["name"]]["data"]
        else:
            continue
        found |= {f"{places[volume['name']]}/{key}" for key in keys}
    return found


@pytest.mark.parametrize(("file", "resource"), RESOURCES, ids=lambda value: value if isinstance(value, str) else "")
def test_every_resource_fits_the_schemas(file: str, resource: Mapping[str, Any]) -> None:
    """Strictly: a member that Kubernetes does not know would be dropped, and with it what it protects."""
    kubernetes_validate.validate(resource, VERSION, strict=True)
    assert resource["metadata"]["namespace" if resource["kind"] != "Namespace" else "name"] in {"aegis", "monitoring"}
    assert file


def test_a_misspelt_member_is_refused() -> None:
    """The test above must not pass because it sees nothing."""
    resource = documents("deploy/kubernetes/enricher.yaml")[0]
    resource["spec"]["template"]["spec"]["containers"][0]["securityContext"]["readOnlyRootFileSystem"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(resource, VERSION, strict=True)


def test_every_file_is_applied() -> None:
    """A file that the kustomization forgets is a disruption budget that nobody has."""
    (kustomization,) = documents("deploy/kubernetes/kustomization.yaml")
    assert set(kustomization["resources"]) == {path.name for path in FOLDER.glob("*.yaml")} - NOT_APPLIED


def test_the_kinds_are_there() -> None:
    """Enrichers that scale and survive a node's maintenance, the agent, the operators' page."""
    assert set(WORKLOADS) == {"aegis-enricher", "aegis-rotator", "aegis-dashboard"}
    kinds = {kind for kind, _ in BY_KIND}
    assert {"Secret", "ConfigMap", "PodDisruptionBudget", "HorizontalPodAutoscaler", "NetworkPolicy"} <= kinds


@pytest.mark.parametrize("name", WORKLOADS)
def test_pods_may_do_nothing(name: str) -> None:
    """Not root, nothing writable but what is named, no capability, no token of the cluster's."""
    whole, one = pod(name)["securityContext"], container(name)["securityContext"]
    assert whole["runAsNonRoot"] is True
    assert whole["runAsUser"] > 0
    assert whole["seccompProfile"] == {"type": "RuntimeDefault"}
    assert one == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod(name)["automountServiceAccountToken"] is False
    assert {"cpu", "memory"} <= set(container(name)["resources"]["requests"])
    assert "memory" in container(name)["resources"]["limits"]
    assert not pod(name).keys() & {"hostNetwork", "hostPID", "hostIPC"}


def test_the_image_user_is_the_pods() -> None:
    """Secrets are readable by the group alone; another group would find none of its keys."""
    assert "USER 10001:10001" in (ROOT / "Dockerfile").read_text(encoding="utf-8")
    for name in WORKLOADS:
        context = pod(name)["securityContext"]
        assert (context["runAsUser"], context["runAsGroup"], context["fsGroup"]) == (10001, 10001, 10001)
        modes = {volume["secret"]["defaultMode"] for volume in pod(name)["volumes"] if "secret" in volume}
        assert modes == {0o440}


def test_enrichers_are_probed_by_their_pages() -> None:
    """Ready while events pass; restarted only where it does not answer, never because a manifest expired."""
    one = container("aegis-enricher")
    probes = {kind: one[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert {kind: probe["path"] for kind, probe in probes.items()} == {
        "startup": "/health",
        "liveness": "/live",
        "readiness": "/ready",
    }
    assert {probe["path"] for probe in probes.values()} <= pages()
    assert {probe["port"] for probe in probes.values()} == {"web"}
    assert [port["containerPort"] for port in one["ports"] if port["name"] == "web"] == [6066]
    assert environment("aegis-enricher")["AEGIS_WEB_HOST"] == "0.0.0.0"  # noqa: S104 - the kubelet comes from outside


def test_every_workload_is_probed() -> None:
    """A pod without a readiness probe counts as ready while it cannot reach Kafka."""
    assert all({"livenessProbe", "readinessProbe"} <= container(name).keys() for name in WORKLOADS)


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_command_is_one(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the options that it is given."""
    assert main([*container(name)["args"], "--help"]) == 0
    assert "Usage: aegis" in capsys.readouterr().out


@pytest.mark.parametrize("name", WORKLOADS)
def test_settings_are_real_and_their_files_are_mounted(name: str) -> None:
    """A variable that nobody reads protects nobody; a file that is not there stops the pod."""
    given = environment(name)
    assert wrong_variables(given) == []
    named = {value for key, value in given.items() if key.endswith(("_FILE", "_CAFILE"))}
    assert named <= files(name)
    volumes = {volume["name"] for volume in pod(name)["volumes"]}
    assert {mount["name"] for mount in container(name)["volumeMounts"]} == volumes
    state = given["AEGIS_STATE_DIR"]
    assert state in {mount["mountPath"] for mount in container(name)["volumeMounts"] if not mount.get("readOnly")}


def real_files() -> dict[str, str]:
    """Return what `keys init` and an administrator put into the files."""
    agent, kek = HybridSignature.generate_keypair(), HybridKEM.generate_keypair()
    texts = {
        "agent-signing.pub": agent.public,
        "agent-signing.key": agent.private,
        "kek.pub": kek.public,
        "session-signing.key": os.urandom(32),
        "pseudonym.key": os.urandom(32),
    }
    made = {name: base64.b64encode(raw).decode() for name, raw in texts.items()}
    return made | {"kafka-password": "made up", "dashboard.token": "x" * 32, "kafka-ca.crt": "a certificate"}


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_process_starts_with_these_settings(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With real keys in the files, all settings are taken together, as the process takes them."""
    contents = real_files()
    for variable, value in environment(name).items():
        text = value
        if value.startswith(("/secrets/", "/config/")):
            file = tmp_path / Path(value).name
            file.write_text(contents[file.name] + "\n")
            file.chmod(0o600)
            text = str(file)
        monkeypatch.setenv(variable, text)
    settings = load_settings()
    assert settings.environment == "production"
    assert settings.kafka_security_protocol == "SASL_SSL"
    assert (settings.session_signing_key is not None) == (name == "aegis-enricher")
    assert (settings.agent_signing_key is not None) == (name == "aegis-rotator")


def test_secrets_hold_no_secret() -> None:
    """They show the shape alone; what stands there opens nothing and starts nothing."""
    for (kind, name), resource in BY_KIND.items():
        if kind == "Secret":
            assert set(resource["stringData"].values()) == {"REPLACE"}, name
            assert "data" not in resource
    text = "".join(path.read_text(encoding="utf-8") for path in FOLDER.glob("*.yaml"))
    assert not looks_secret(re.sub(r"#.*", "", text))


def test_each_role_gets_its_own_secrets_only() -> None:
    """The enricher has no key that opens an event, the page none at all but its visitors' token."""
    holders = {name: {file for file in files(name) if file.startswith("/secrets/")} for name in WORKLOADS}
    assert {name: {Path(file).name for file in found} - {"kafka-password"} for name, found in holders.items()} == {
        "aegis-enricher": {"session-signing.key", "pseudonym.key"},
        "aegis-rotator": {"agent-signing.key"},
        "aegis-dashboard": {"dashboard.token"},
    }
    assert not any("kek.key" in file for name in WORKLOADS for file in files(name))


def test_the_budget_and_the_autoscaler_are_the_enrichers() -> None:
    """They select by label and name; a wrong one is no error to Kubernetes."""
    labels = WORKLOADS["aegis-enricher"]["spec"]["template"]["metadata"]["labels"]
    budget = BY_KIND["PodDisruptionBudget", "aegis-enricher"]["spec"]
    assert budget["selector"]["matchLabels"].items() <= labels.items()
    assert budget["maxUnavailable"] == 1
    scaler = BY_KIND["HorizontalPodAutoscaler", "aegis-enricher"]["spec"]
    assert (scaler["scaleTargetRef"]["kind"], scaler["scaleTargetRef"]["name"]) == ("Deployment", "aegis-enricher")
    assert scaler["minReplicas"] >= 2
    assert "replicas" not in WORKLOADS["aegis-enricher"]["spec"]  # an apply would undo what the autoscaler did
    assert WORKLOADS["aegis-rotator"]["spec"]["replicas"] == 1
    assert WORKLOADS["aegis-rotator"]["spec"]["strategy"] == {"type": "Recreate"}


def test_the_autoscaler_goes_by_a_lag_that_is_served() -> None:
    """A metric of another name is no metric, and the enrichers would never scale."""
    (metric,) = BY_KIND["HorizontalPodAutoscaler", "aegis-enricher"]["spec"]["metrics"]
    name = metric["pods"]["metric"]["name"]
    metrics = EnricherMetrics(SideDoors(KeyRule.DROP))
    metrics.show_lag({0: 5})
    assert f'{name}{{partition="0"}} 5.0' in metrics.text().decode()
    (rule,) = yaml.safe_load(BY_KIND["ConfigMap", "aegis-adapter-rules"]["data"]["config.yaml"])["rules"]
    assert rule["seriesQuery"].startswith(f"{name}{{")
    assert rule["name"]["as"] == name
    assert re.fullmatch(rule["name"]["matches"], name)


def test_the_network_lets_monitoring_in_and_nobody_else() -> None:
    """The pages show no value of an event, and are nobody else's business all the same."""
    policy = BY_KIND["NetworkPolicy", "aegis"]["spec"]
    assert policy["policyTypes"] == ["Ingress"]
    wanted = policy["podSelector"]["matchLabels"].items()
    assert all(wanted <= one["spec"]["template"]["metadata"]["labels"].items() for one in WORKLOADS.values())
    ports = {port["port"] for rule in policy["ingress"] for port in rule["ports"]}
    assert ports == {port["containerPort"] for name in WORKLOADS for port in container(name).get("ports", [])}
