"""What `/v3/health` says."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Health(NamedTuple):
    """How this API is, by its pipelines' canaries."""

    readiness: Callable[[], Mapping[str, bool]]
    """Pipeline name to whether its last canary came back; one that is not there is not ready."""
    model_version: str
    models: int
    """Counted as loaded when the pipeline is ready; it is loaded whole or not at all."""
    pop_models: int
    pop_enabled: bool
    """Whether photos of screens are to be taken."""

    def report(self) -> dict[str, Any]:
        """Give the documented body."""
        ready = self.readiness()
        pop_ready = self.pop_enabled and ready.get("screen", False)
        is_healthy = ready.get("vhs", False) and (pop_ready or not self.pop_enabled)
        return {
            "status": "healthy" if is_healthy else "degraded",
            "models_loaded": self.models if ready.get("vhs") else 0,
            "pop_models_loaded": self.pop_models if pop_ready else 0,
            "pop_pipeline_enabled": pop_ready,
            "model_version": self.model_version,
        }
