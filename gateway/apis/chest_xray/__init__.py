"""Chest X-ray TB engine: `/single_inference` and `/bulk_inference`."""

from gateway.apis.api import token_verifier
from gateway.apis.chest_xray.api import OPENAPI, api_of, chest_xray
from gateway.apis.chest_xray.routes import bulk_routes, routes
from gateway.apis.chest_xray.schema import bulk_error_answer, error_answer

__all__ = [
    "OPENAPI",
    "api_of",
    "bulk_error_answer",
    "bulk_routes",
    "chest_xray",
    "error_answer",
    "routes",
    "token_verifier",
]
