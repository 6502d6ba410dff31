"""VHS API (RadAnalyzer V3): `/v3/predict` and what belongs to it."""

from gateway.apis.vhs.api import OPENAPI, api_of, vhs
from gateway.apis.vhs.routes import routes
from gateway.apis.vhs.schema import error_answer

__all__ = ["OPENAPI", "api_of", "error_answer", "routes", "vhs"]
