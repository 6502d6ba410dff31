"""Chest X-ray TB engine: `/single_inference`."""

from gateway.apis.chest_xray.routes import routes
from gateway.apis.chest_xray.schema import error_answer

__all__ = ["error_answer", "routes"]
