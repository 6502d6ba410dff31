"""What one synthetic volume is to be: the document that the model `maisi` takes."""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gateway.imaging.errors import WrongContent, WrongGeometry
from gateway.imaging.maisi.labels import BODY_REGIONS, CONTROLLABLE, LABELS

SIDE_MULTIPLE = 32
"""The latent has a quarter of the image's voxels on each axis, and the networks halve it three times."""
MAX_SIDE = 1024
MAX_SEED = 2**63 - 1


@dataclass(frozen=True)
class Asked:
    """One sample; fields as in the API's request, for whose rules see `gateway.apis.maisi`."""

    seed: int
    output_size: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    body_region: tuple[str, ...]
    anatomy_list: tuple[str, ...]
    controllable_anatomy_size: tuple[tuple[str, float], ...]
    num_inference_steps: int | None

    @classmethod
    def parse(cls, document: bytes | str) -> "Asked":
        """Read the document.

        Raises
        ------
        WrongGeometry, WrongContent
            What the networks cannot make; the API's own rules are narrower and were looked at before.
        """
        try:
            asked = cls._of(json.loads(document))
        except (ValueError, TypeError, KeyError) as error:
            raise WrongContent("the request must be a JSON document with the fields of one sample") from error
        asked._require_possible()
        return asked

    @classmethod
    def _of(cls, fields: dict[str, Any]) -> "Asked":
        steps = fields.get("num_inference_steps")
        x, y, z = map(int, fields["output_size"])
        dx, dy, dz = map(float, fields["spacing_mm"])
        return cls(
            seed=int(fields["seed"]),
            output_size=(x, y, z),
            spacing_mm=(dx, dy, dz),
            body_region=tuple(map(str, fields.get("body_region", ()))),
            anatomy_list=tuple(map(str, fields.get("anatomy_list", ()))),
            controllable_anatomy_size=tuple(
                (str(name), float(size)) for name, size in fields.get("controllable_anatomy_size") or ()
            ),
            num_inference_steps=None if steps is None else int(steps),
        )

    def _require_possible(self) -> None:
        if any(n % SIDE_MULTIPLE or not SIDE_MULTIPLE <= n <= MAX_SIDE for n in self.output_size):
            raise WrongGeometry(
                f"output_size: expected multiples of {SIDE_MULTIPLE} up to {MAX_SIDE}, "
                f"came {list(self.output_size)}"
            )
        if not all(np.isfinite(mm) and mm > 0 for mm in self.spacing_mm):
            raise WrongGeometry(f"spacing_mm: expected three positive numbers, came {list(self.spacing_mm)}")
        if not 0 <= self.seed <= MAX_SEED:
            raise WrongContent(f"seed: expected a whole number from 0 to {MAX_SEED}")
        self._require_known("body_region", self.body_region, BODY_REGIONS)
        self._require_known("anatomy_list", self.anatomy_list, LABELS)
        sized = [name for name, _ in self.controllable_anatomy_size]
        self._require_known("controllable_anatomy_size", sized, CONTROLLABLE)
        if self.num_inference_steps is not None and not 1 <= self.num_inference_steps <= 1000:
            raise WrongContent("num_inference_steps: expected a whole number from 1 to 1000")

    @staticmethod
    def _require_known(field: str, names: Iterable[str], known: Collection[str]) -> None:
        for name in names:
            if name not in known:
                raise WrongContent(f"{field}: {name!r} is none of the {len(known)} names that there are")
