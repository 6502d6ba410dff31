"""The Helm chart: what Kubernetes would take, and what must hold of it."""

import re

import pytest

from gateway.settings import Settings
from tests.docker.conftest import DOCKER, VARIANTS


def pods(objects):
    return [each["spec"]["template"] for each in objects if each["kind"] in ("Deployment", "StatefulSet")]


def containers(objects):
    for pod in pods(objects):
        yield from (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])


def named(objects, kind, name):
    (found,) = (each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name))
    return found


def test_kubernetes_would_take_every_object(objects):
    validate = pytest.importorskip("kubernetes_validate")
    for each in objects:
        if each["apiVersion"] != "keda.sh/v1alpha1":  # KEDA's own, of which Kubernetes has no schema
            validate.validate(each, "1.31", strict=True)


def test_helm_finds_nothing_wrong():
    helm = pytest.importorskip("helm_python")
    assert helm.lint(str(DOCKER / "helm" / "radgate"))["errors"] == []


def test_every_variable_is_a_setting(objects):
    names = {env["name"] for each in containers(objects) for env in each.get("env", ())}
    ours = {name.removeprefix("RADGATE_").lower() for name in names if name.startswith("RADGATE_")}
    assert ours and ours <= set(Settings.model_fields)


def test_nothing_may_do_more_than_it_must(objects):
    for pod in pods(objects):
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        assert pod["spec"]["automountServiceAccountToken"] is False
    for each in containers(objects):
        security = each["securityContext"]
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert {"requests", "limits"} <= set(each["resources"])


def test_every_volume_is_there_and_used(objects):
    for each in objects:
        if each["kind"] not in ("Deployment", "StatefulSet"):
            continue
        spec = each["spec"]["template"]["spec"]
        claims = [claim["metadata"]["name"] for claim in each["spec"].get("volumeClaimTemplates", ())]
        volumes = {volume["name"] for volume in spec["volumes"]} | set(claims)
        mounts = {
            mount["name"]
            for container in (*spec.get("initContainers", ()), *spec["containers"])
            for mount in container["volumeMounts"]
        }
        assert mounts <= volumes
        assert volumes - mounts <= {"engines"}  # without a GPU nobody builds any


def test_a_pod_is_given_the_time_that_its_end_takes(render):
    objects = render({})
    triton = named(objects, "Deployment", "rg-triton")["spec"]["template"]["spec"]
    assert triton["terminationGracePeriodSeconds"] > 15 + 300
    gateway = named(objects, "StatefulSet", "rg-gateway")["spec"]["template"]["spec"]
    assert gateway["terminationGracePeriodSeconds"] > 15 + 60
    assert gateway["containers"][0]["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "15"]


def test_services_lead_to_pods(objects):
    labels = [pod["metadata"]["labels"] for pod in pods(objects)]
    for each in objects:
        selector = {
            "Service": lambda o: o["spec"]["selector"],
            "PodDisruptionBudget": lambda o: o["spec"]["selector"]["matchLabels"],
            "NetworkPolicy": lambda o: o["spec"]["podSelector"]["matchLabels"],
        }.get(each["kind"])
        if selector:
            matching = [one for one in labels if selector(each).items() <= one.items()]
            assert len(matching) == 1, each["metadata"]["name"]


def test_gateways_ask_the_headless_name_of_triton(render):
    objects = render({})
    assert named(objects, "Service", "rg-triton")["spec"]["clusterIP"] == "None"
    env = named(objects, "StatefulSet", "rg-gateway")["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "RADGATE_TRITON_URL", "value": "dns:///rg-triton.imaging.svc:8001"} in env


def test_triton_is_reached_by_our_pods_only_and_reaches_nobody(render):
    policy = named(render(VARIANTS["everything"]), "NetworkPolicy", "rg-triton")["spec"]
    assert policy["egress"] == [] and policy["policyTypes"] == ["Ingress", "Egress"]
    components = {
        source["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
        for source in policy["ingress"][0]["from"]
    }
    assert components == {"gateway", "worker", "envoy"}


def test_who_scales_is_not_told_how_many(render):
    scaled = render(VARIANTS["everything"])
    assert "replicas" not in named(scaled, "StatefulSet", "rg-worker")["spec"]
    assert "replicas" not in named(scaled, "Deployment", "rg-triton")["spec"]
    assert named(render({}), "StatefulSet", "rg-worker")["spec"]["replicas"] == 2


def test_who_scales_finds_what_it_scales_and_asks_in_our_namespace(render):
    scaled = render(VARIANTS["everything"])
    scalers = [each for each in scaled if each["kind"] == "ScaledObject"]
    assert len(scalers) == 2
    for each in scalers:
        target = each["spec"]["scaleTargetRef"]
        assert named(scaled, target["kind"], target["name"])["apiVersion"] == target["apiVersion"]
        assert 1 <= each["spec"]["minReplicaCount"] <= each["spec"]["maxReplicaCount"]
        (trigger,) = each["spec"]["triggers"]
        metrics = re.findall(r"(radgate_[a-z_]+)\{(.*?)\}", trigger["metadata"]["query"])
        assert metrics and {matchers for _, matchers in metrics} == {'namespace="imaging"'}
        assert float(trigger["metadata"]["threshold"]) > 0
    assert not any(each["kind"] == "ScaledObject" for each in render({}))


def test_envoy_asks_who_calls(render):
    yaml = pytest.importorskip("yaml")
    for auth, expected in (("mtls", True), ("jwt", False)):
        objects = render({"envoy": {"enabled": True, "auth": auth}})
        config = yaml.safe_load(named(objects, "ConfigMap", "rg-envoy")["data"]["envoy.yaml"])
        (chain,) = config["static_resources"]["listeners"][0]["filter_chains"]
        tls = chain["transport_socket"]["typed_config"]
        assert tls["require_client_certificate"] is expected
        assert ("validation_context" in tls["common_tls_context"]) is expected
        manager = chain["filters"][0]["typed_config"]
        filters = [each["name"].rsplit(".", 1)[1] for each in manager["http_filters"]]
        assert filters == (["router"] if expected else ["jwt_authn", "router"])
        paths = [route["match"]["path"] for route in manager["route_config"]["virtual_hosts"][0]["routes"]]
        assert all(path.startswith("/inference.GRPCInferenceService/") for path in paths)
        assert not any("Repository" in path or "SharedMemory" in path for path in paths)


def test_envoy_does_not_open_the_door_to_everyone(render):
    with pytest.raises(Exception, match=r"envoy\.auth must be mtls or jwt"):
        render({"envoy": {"enabled": True, "auth": "none"}})
