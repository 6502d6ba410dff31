"""The chart, rendered by Helm itself, as it is used most and least."""

from pathlib import Path

import pytest

DOCKER = Path(__file__).parents[2] / "docker"
VARIANTS = {
    "defaults": {},
    "everything": {
        "keda": {"enabled": True},
        "envoy": {"enabled": True},
        "peersConfigMap": "peers",
        "images": {"pullSecrets": [{"name": "registry"}]},
        "networkPolicies": {
            "clients": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
            "database": {"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}]},
            "peers": {"networks": ["10.2.0.0/16"]},
        },
        "triton": {"nodeSelector": {"gpu": "h100"}, "tolerations": [{"key": "gpu", "operator": "Exists"}]},
    },
    "processors only": {
        "triton": {"gpu": {"enabled": False}, "engines": {"claim": ""}},
        "envoy": {"enabled": True, "auth": "jwt"},
        "networkPolicies": {"enabled": False},
    },
}


@pytest.fixture(scope="session")
def render():
    """Render the chart with some values; gives its objects."""
    helm = pytest.importorskip("helm_python", reason="Helm is not to be had on this machine")
    yaml = pytest.importorskip("yaml")

    def objects(values):
        with helm.Chart.load(str(DOCKER / "helm" / "radgate")) as chart:
            files = chart.render(values, name="rg", namespace="imaging")
        return [each for text in files.values() for each in yaml.safe_load_all(text) if each]

    return objects


@pytest.fixture(scope="session", params=VARIANTS)
def objects(render, request):
    return render(VARIANTS[request.param])
