"""What the API says of itself."""

from typing import Any

from gateway import __version__
from gateway.apis.maisi.rules import MIN_XY_MM, MIN_Z_MM
from gateway.apis.maisi.schema import (
    MAX_SIZES,
    MAX_SPACING_MM,
    MAX_XY_SPACING_MM,
    MIN_SPACING_MM,
    XY_SIZES,
    Z_SIZES,
    Run,
)
from gateway.imaging.maisi.labels import BODY_REGIONS, CONTROLLABLE, LABELS, TUMOURS

RECOMMENDED = [
    (["chest", "abdomen"], [512, 512, 128], [0.781, 0.781, 2.981]),
    (["chest"], [512, 512, 128], [0.684, 0.684, 2.422]),
    (["chest", "abdomen", "lower"], [512, 512, 256], [0.793, 0.793, 1.826]),
    (["lower"], [512, 512, 384], [0.839, 0.839, 0.728]),
    (["abdomen", "lower"], [512, 512, 384], [0.808, 0.808, 0.729]),
    (["head", "chest", "abdomen"], [512, 512, 384], [0.977, 0.977, 2.103]),
    (["abdomen"], [512, 512, 128], [0.723, 0.723, 1.182]),
    (["head", "chest", "abdomen", "lower"], [512, 512, 384], [1.367, 1.367, 4.603]),
    (["head", "chest"], [512, 512, 128], [0.645, 0.645, 2.219]),
]
"""The original's table: medians of its training data."""
INFO: dict[str, Any] = {
    "name": "MAISI: Medical AI for Synthetic Imaging",
    "task": "Synthetic CT with paired segmentation masks",
    "description": (
        "Generates CT volumes in Hounsfield units together with masks of up to 124 structures. "
        "Everything is synthetic; nothing of it is for clinical use."
    ),
    "version": __version__,
    "labels": {label.name: label.index for label in LABELS.values()},
    "body_regions": list(BODY_REGIONS),
    "controllable_anatomies": list(CONTROLLABLE),
    "tumors": list(TUMOURS),
    "max_controllable_anatomies": MAX_SIZES,
    "output_size": {"x": list(XY_SIZES), "y": list(XY_SIZES), "z": list(Z_SIZES)},
    "spacing": {
        "x": [MIN_SPACING_MM, MAX_XY_SPACING_MM],
        "y": [MIN_SPACING_MM, MAX_XY_SPACING_MM],
        "z": [MIN_SPACING_MM, MAX_SPACING_MM],
    },
    "min_field_of_view_mm": {"x": MIN_XY_MM, "y": MIN_XY_MM, "z": MIN_Z_MM},
    "output_extensions": [".nii.gz", ".nii", ".nrrd", ".dcm"],
    "recommended": [
        {"body_region": region, "output_size": size, "spacing": spacing}
        for region, size, spacing in RECOMMENDED
    ],
}
LICENSE = {
    "license": (
        "RadGate, and the MAISI networks that come with it, are licensed under the Apache License 2.0 "
        "(https://www.apache.org/licenses/LICENSE-2.0). Weights that an operator has imported are under "
        "the licence that they came with."
    )
}


def health(status: str) -> dict[str, str]:
    """Say whether the service is live or ready, for old clients and new ones."""
    return {"object": "health.response", "message": f"Service is {status}.", "status": status}


def valid(run: Run) -> dict[str, Any]:
    """Say that a request would be taken, and what it would give."""
    sides = zip(run.output_size, run.spacing, strict=True)
    names = run.anatomy if run.label_values == "positional" else []
    return {
        "valid": True,
        "request": run.model_dump(mode="json", exclude={"pre_signed_url"}),
        "field_of_view_mm": [round(size * spacing, 3) for size, spacing in sides],
        "labels": {name: value for value, name in enumerate(names, 1)},
    }
