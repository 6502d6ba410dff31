"""The MAISI NIM's API: synthetic CT volumes with paired masks."""

from gateway.apis.maisi.api import OPENAPI, api_of, maisi

__all__ = ["OPENAPI", "api_of", "maisi"]
