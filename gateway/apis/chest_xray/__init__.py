"""Chest X-ray TB engine: `/single_inference` and `/bulk_inference`."""

from pathlib import Path

from gateway.apis.chest_xray.routes import bulk_routes, routes
from gateway.apis.chest_xray.schema import bulk_error_answer, error_answer

__all__ = ["OPENAPI", "bulk_error_answer", "bulk_routes", "error_answer", "routes"]

OPENAPI = Path(__file__).with_name("openapi.json")
"""This API's OpenAPI 3.1 document, kept by hand: the contract is not ours to generate."""
