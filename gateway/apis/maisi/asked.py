"""What a job is about, as JSON in the database: all that its volumes follow from."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np

from gateway.apis.maisi.schema import MAX_SEED, Run


class Asked(NamedTuple):
    """One request for volumes."""

    run: Run
    seed: int
    """The caller's, or one that was drawn when the request came."""
    is_awaited: bool
    """Whether a caller holds a connection open for the result itself: without it nobody wants it."""

    def stored(self) -> dict[str, Any]:
        """Give it as JSON, without the URL, which is a credential."""
        return {
            "run": self.run.model_dump(mode="json", exclude={"pre_signed_url"}),
            "seed": self.seed,
            "is_awaited": self.is_awaited,
        }

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> "Asked":
        """Read what `stored` gave."""
        return cls(Run.model_validate(request["run"]), request["seed"], request["is_awaited"])

    def sample_seed(self, index: int, attempt: int) -> int:
        """Give the seed of a volume's attempt, both counted from 0: no two in a request are alike."""
        return (self.seed + index + attempt * self.run.num_output_samples) % (MAX_SEED + 1)

    def sample_name(self, index: int, began: datetime) -> str:
        """Give the beginning of a volume's file names, as the original makes them of the time."""
        return f"sample_{began + timedelta(microseconds=index):%Y%m%d_%H%M%S_%f}"

    def tensor(self, seed: int) -> dict[str, np.ndarray]:
        """Give the model's input for one volume."""
        run = self.run
        document = {
            "seed": seed,
            "output_size": run.output_size,
            "spacing_mm": run.spacing,
            # With sizes, which name what is to be there, the original looks at neither of the two.
            "body_region": [] if run.controllable_anatomy_size else run.body_region,
            "anatomy_list": run.anatomy,
            "controllable_anatomy_size": run.controllable_anatomy_size,
            "num_inference_steps": run.num_inference_steps,
        }
        return {"request": np.array([json.dumps(document).encode()], np.object_)}
