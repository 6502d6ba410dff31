"""Chest X-ray TB engine: `/single_inference`."""

from pathlib import Path

from gateway.apis.chest_xray.routes import routes
from gateway.apis.chest_xray.schema import error_answer

__all__ = ["OPENAPI", "error_answer", "routes"]

OPENAPI = Path(__file__).with_name("openapi.json")
"""This API's OpenAPI 3.1 document, kept by hand: the contract is not ours to generate."""
