"""The hand-written types of TensorRT, against NVIDIA's own bindings where some are installed."""

import ast
import functools
import importlib
from pathlib import Path

import pytest

STUB = Path(__file__).parents[3] / "typings" / "tensorrt" / "__init__.pyi"
BINDINGS = ("tensorrt", "tensorrt_lean", "tensorrt_lean_bindings")
"""The lean runtime's import without a GPU. They have no builder, but the builder's flags."""


@pytest.fixture(scope="module")
def bindings():
    for name in BINDINGS:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    pytest.skip(f"none of {', '.join(BINDINGS)} is installed")


def classes(nodes, prefix=""):
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            yield f"{prefix}{node.name}", node
            yield from classes(node.body, f"{node.name}.")


CLASSES = dict(classes(ast.parse(STUB.read_text()).body))


def members(node: ast.ClassDef) -> set[str]:
    assigned = {target.id for each in node.body if isinstance(each, ast.Assign) for target in each.targets}
    annotated = {each.target.id for each in node.body if isinstance(each, ast.AnnAssign)}
    methods = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
    return {name for name in assigned | annotated | methods if not name.startswith("__")}


BUILDER_ONLY = {
    "NetworkDefinitionCreationFlag", "ITensor", "INetworkDefinition", "IBuilderConfig", "Builder",
    "ParserError", "OnnxParser",
}  # fmt: skip
"""What the lean runtime does not have."""


def test_what_we_use_is_there(bindings):
    is_lean = "lean" in bindings.__name__
    for name, node in CLASSES.items():
        if is_lean and name in BUILDER_ONLY:
            continue
        real = functools.reduce(getattr, name.split("."), bindings)
        missing = {member for member in members(node) if not hasattr(real, member)}
        assert not missing, name
