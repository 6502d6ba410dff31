"""One synthetic CT volume, by the three models that make its parts: anatomy, latent, image."""

from gateway.imaging.maisi.generation import generate
from gateway.triton.backend import call, respond_in_parts
from gateway.triton.leases import Lease


class TritonPythonModel:
    """Named by Triton."""

    def execute(self, requests):
        return respond_in_parts(requests, self._generate)

    def _generate(self, request, is_cancelled):
        with Lease() as lease:
            yield from generate(request, call, lease=lease, is_cancelled=is_cancelled)
