"""The labels of one body, drawn as asked."""

from gateway.imaging.maisi.steps import mask_parts
from gateway.triton.backend import respond_in_parts
from gateway.triton.leases import while_wanted


class TritonPythonModel:
    """Named by Triton."""

    def execute(self, requests):
        return respond_in_parts(requests, self._mask)

    def _mask(self, request, lease, is_cancelled):
        return while_wanted(mask_parts(request), lease, is_cancelled)
