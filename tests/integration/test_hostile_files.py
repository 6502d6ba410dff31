"""Files made to break a reader: they are refused in time, within memory, and the pipeline stands."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pydicom
import pytest
from tritonclient.utils import InferenceServerException

from gateway.imaging.chest_xray import ABNORMAL, NORMAL, TB_PRESUMPTIVE
from tests.dicom_files import (
    TEST_FILES,
    deflate_bomb,
    deflated_pixels_bomb,
    huge_header,
    lying_codestream,
    many_elements,
    many_items,
    many_open_items,
    nested_sequences,
)
from tests.integration.instances import INTERNAL_ERROR, Answer, Instance, infer, timed
from tests.integration.processes import pss_bytes

ANSWERED_SECONDS = 15.0
"""Three times what a machine with nothing else to do may take."""
GROWTH_BYTES = 200 * 10**6
TEST_FILE_BYTES = 2**20


def embedded_delimiter() -> bytes:
    (path,) = (path for path in TEST_FILES if path.name == "JPEG2000-embedded-sequence-delimiter.dcm")
    return path.read_bytes()


REFUSED: list[Callable[[], bytes]] = [
    huge_header,
    deflate_bomb,
    lying_codestream,
    embedded_delimiter,
    nested_sequences,
    many_open_items,
    many_elements,
]
DEFUSED: list[Callable[[], bytes]] = [deflated_pixels_bomb, many_items]
"""A sound film with something enormous beside it, which is not looked at."""


class Watch:
    """Samples the memory of an instance's processes while a block runs."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self.before_bytes = self.peak_bytes = pss_bytes(instance.processes())

    def _sample(self) -> None:
        while not self._over.wait(0.02):
            self.peak_bytes = max(self.peak_bytes, pss_bytes(self._instance.processes()))

    @property
    def growth_bytes(self) -> int:
        return self.peak_bytes - self.before_bytes

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


@pytest.fixture(params=[*REFUSED, *DEFUSED], ids=lambda bomb: bomb.__name__, scope="module")
def bomb(request, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("bomb") / f"{request.param.__name__}.dcm"
    path.write_bytes(request.param())
    return path


def over_http(instance: Instance, bomb: Path) -> Answer:
    return instance.single_inference(bomb, bomb.parent / "out")


def over_grpc(instance: Instance, bomb: Path) -> str:
    try:
        with instance.grpc() as client:
            return str(infer(client, bomb.read_bytes())["result"])
    except InferenceServerException as error:
        return str(error.status())


def expected(bomb: Path) -> list[object]:
    if bomb.stem in [each.__name__ for each in DEFUSED]:
        succeeded = {"Result": "Success", "Data": None, "Message": "Inference completed successfully."}
        return [Answer(200, succeeded), NORMAL, ABNORMAL, TB_PRESUMPTIVE]
    header = f"Invalid DICOM image, unable to fetch patient ID: {bomb}"
    return [
        Answer(500, INTERNAL_ERROR),
        Answer(400, {"Result": "Failure", "Data": None, "Message": header}),
        "StatusCode.INVALID_ARGUMENT",
    ]


@pytest.mark.parametrize("call", [over_http, over_grpc])
def test_a_bomb_goes_off_in_time_and_within_memory(instance, film, bomb, call):
    instance.predict(film)
    stubs = instance.stubs()
    with Watch(instance) as watch:
        answer, seconds = timed(call, instance, bomb)
    print(f"\n{bomb.stem} {call.__name__}: {seconds:.2f} s, +{watch.growth_bytes / 1e6:.0f} MB, {answer}")
    assert answer in expected(bomb)
    assert seconds < ANSWERED_SECONDS
    assert watch.growth_bytes < GROWTH_BYTES
    assert instance.stubs() == stubs
    instance.predict(film)


def test_every_test_file_of_pydicom_is_assessed_or_refused(instance, film):
    files = [path for path in TEST_FILES if path.stat().st_size <= TEST_FILE_BYTES]
    assert len(files) > 150
    triton, stubs, workers = instance.triton(), instance.stubs(), instance.isolation_workers()

    def outcome(path: Path) -> str:
        try:
            with instance.grpc() as client:
                return "assessed" if "findings" in infer(client, path.read_bytes()) else "unexpected"
        except InferenceServerException as error:
            return error.status()

    with ThreadPoolExecutor(8) as pool:
        outcomes = dict(zip(files, pool.map(outcome, files), strict=True))
    fine = ("assessed", "StatusCode.INVALID_ARGUMENT")
    counts = {each: list(outcomes.values()).count(each) for each in set(outcomes.values())}
    print(f"\n{pydicom.__version__}: {counts}, workers replaced: {workers != instance.isolation_workers()}")
    assert {path.name: each for path, each in outcomes.items() if each not in fine} == {}
    assert (instance.triton(), instance.stubs()) == (triton, stubs)
    instance.predict(film)
