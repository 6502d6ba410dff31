"""Who may import whom: the architecture, as a test."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STEPS = (
    "gateway.imaging",
    "gateway.triton.backend",
    "gateway.triton.networks",
    "gateway.triton.isolation",
    "gateway.triton.leases",
)
ALLOWED = {
    "gateway/imaging": ("gateway.imaging",),
    "gateway/web": ("gateway.web", "gateway.accounts", "gateway.errors", "gateway.metrics"),
    "gateway/accounts": ("gateway.accounts", "gateway.storage", "gateway.errors"),
    "gateway/files": ("gateway.files", "gateway.errors"),
    "gateway/storage": ("gateway.storage",),
    "gateway/jobs": ("gateway.jobs", "gateway.storage", "gateway.errors", "gateway.metrics"),
    "gateway/outbound": (
        "gateway.outbound",
        "gateway.imaging.dicom",
        "gateway.imaging.errors",
        "gateway.errors",
        "gateway.metrics",
    ),
    "gateway/triton": (
        "gateway.triton",
        "gateway.imaging.errors",
        "gateway.errors",
        "gateway.metrics",
        "gateway.processes",
    ),
}
ONLY_IN = {
    "tritonclient": {"gateway/triton/client.py", "gateway/triton/servers.py"},
    "triton_python_backend_utils": {"gateway/triton/backend.py"},
    "onnxruntime": {"gateway/triton/networks/onnx_runtime.py"},
    "tensorrt": {"gateway/triton/networks"},
    "cupy": {"gateway/triton/networks"},
    "dbos": {"gateway/jobs/dbos_engine.py"},
    "sqlalchemy": {"gateway/storage", "gateway/jobs"},
    "alembic": {"gateway/storage"},
    "aiohttp": {"gateway/web", "gateway/apis", "gateway/outbound", "gateway/app.py"},
    "imagecodecs": {
        "gateway/imaging/dicom/plugins.py",
        "gateway/imaging/png.py",
        "gateway/imaging/png_file.py",
    },
    "simplejpeg": {"gateway/imaging/jpeg_file.py", "gateway/imaging/screen/files.py"},
    "rle": {"gateway/imaging/dicom/plugins.py"},
    "pydicom.pixels": {"gateway/imaging/dicom"},
    "pydicom": {"gateway/imaging", "gateway/apis/chest_xray"},
    "highdicom": {"gateway/imaging/results", "gateway/imaging/volume"},
    "nibabel": {"gateway/imaging/volume"},
    "reportlab": {"gateway/imaging/report"},
    "PIL": {
        "gateway/imaging/overlay.py",
        "gateway/imaging/lettering.py",
        "gateway/imaging/vhs/drawing.py",
    },
    "cv2": {"gateway/imaging"},
}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def within(name: str, allowed) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in allowed)


SOURCES = sorted(ROOT.glob("gateway/**/*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_only_what_its_layer_may(path):
    place = path.relative_to(ROOT).as_posix()
    own = {name for name in imports(path) if name.startswith(("gateway", "tools"))}
    assert not {name for name in own if name.startswith("tools")}, "nothing imports tools"
    for folder, allowed in ALLOWED.items():
        if place.startswith(f"{folder}/"):
            strangers = {name for name in own if not within(name, allowed) and name != "gateway.__version__"}
            assert not strangers
    if place.startswith("gateway/apis/"):
        others = [
            p.name for p in (ROOT / "gateway/apis").iterdir() if p.is_dir() and p.name != place.split("/")[2]
        ]
        assert not {n for n in own if within(n, [f"gateway.apis.{other}" for other in others])}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_library_stays_behind_its_seam(path):
    place = path.relative_to(ROOT).as_posix()
    for library, homes in ONLY_IN.items():
        if any(within(name, [library]) for name in imports(path)):
            assert any(place == home or place.startswith(f"{home}/") for home in homes), library


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("model_repository/*/*/model.py")), ids=lambda p: p.parts[-3]
)
def test_model_shims_import_pure_functions_only(path):
    own = {name for name in imports(path) if name.startswith(("gateway", "tools"))}
    assert own
    assert all(within(name, STEPS) for name in own)


def test_nothing_names_this_workplace():
    for path in [*ROOT.glob("gateway/**/*.py"), *ROOT.glob("tools/**/*.py"), *ROOT.glob("*.md")]:
        assert "../shared" not in path.read_text(), path
