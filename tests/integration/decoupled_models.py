"""Two decoupled models for a Triton of the tests: `count`, and `relay`, which calls it.

Numbers that ask for more than parts: -1 is refused, 8 is refused after the first part, 1000 runs out of
memory, 1001 breaks.
"""

from pathlib import Path

CONFIG = """
name: "{name}"
backend: "python"
max_batch_size: 0
model_transaction_policy {{ decoupled: true }}
input [
  {{ name: "upto" data_type: TYPE_INT32 dims: [ 1 ] }},
  {{ name: "lease" data_type: TYPE_STRING dims: [ 1 ] }}
]
output [{{ name: "number" data_type: TYPE_INT16 dims: [ -1 ] }}]
instance_group [{{ kind: KIND_CPU count: 1 }}]
"""
COUNT = """
import time
from pathlib import Path
import numpy as np
from gateway.imaging.errors import WrongContent
from gateway.triton.backend import respond_in_parts
from gateway.triton.leases import is_over

class TritonPythonModel:
    def execute(self, requests):
        return respond_in_parts(requests, self._count)

    def _count(self, upto, lease, is_cancelled):
        if upto[0] < 0:
            raise WrongContent("upto must not be negative")
        if upto[0] == 1000:
            raise MemoryError
        if upto[0] == 1001:
            raise RuntimeError("secret")
        for number in range(upto[0]):
            if is_cancelled() or is_over(lease[0].decode()):
                Path({stopped!r}).write_text(str(number))
                return
            yield {{"number": np.full(3, number, np.int16)}}
            time.sleep(0.05)
            if upto[0] == 8:
                raise WrongContent("upto must not be 8")
"""
RELAY = """
from gateway.triton.backend import call, respond_in_parts
from gateway.triton.leases import Lease
import numpy as np

class TritonPythonModel:
    def execute(self, requests):
        return respond_in_parts(requests, self._relay)

    def _relay(self, upto, lease, is_cancelled):
        with Lease() as held:
            inputs = {"upto": upto, "lease": np.array([held.name.encode()], np.object_)}
            for outputs in call("count", inputs, ["number"]):
                if is_cancelled():
                    held.end()
                else:
                    yield {"number": outputs["number"].copy()}
"""


def write(repository: Path, stopped: Path) -> None:
    """Write both models; `count` leaves the number at which it was stopped in the file `stopped`."""
    for name, source in (("count", COUNT.format(stopped=str(stopped))), ("relay", RELAY)):
        (repository / name / "1").mkdir(parents=True)
        (repository / name / "config.pbtxt").write_text(CONFIG.format(name=name))
        (repository / name / "1" / "model.py").write_text(source)
