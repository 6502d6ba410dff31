"""ACR inference requests as the Clara DICOM Adapter took them: `POST /api/inference` and its status."""

from gateway.apis.inference_requests.api import OPENAPI, api_of, inference_requests

__all__ = ["OPENAPI", "api_of", "inference_requests"]
