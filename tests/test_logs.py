"""Log lines: each has its request's id, none has a patient's data."""

import asyncio
import logging
import re
import subprocess
import sys

import pytest

from gateway import logs
from gateway.errors import InferenceFailed, InferenceTimeout, ModelUnavailable
from gateway.web.mount import request_id
from tests.fakes.triton import chest_xray_answer

PATIENT = {
    "PatientID": "SECRETID77",
    "PatientName": "Secretfamily^Secretgiven",
    "PatientBirthDate": "19610203",
    "AccessionNumber": "SECRETACC",
}
SECRETS = ("SECRETID77", "Secretfamily", "Secretgiven", "19610203", "SECRETACC", "secretward", "secretout")


@pytest.fixture
def assess(ask, write_film, output_folder, caplog):
    """Ask about a film of the patient, and give all that was logged at any level."""

    async def post(**changes):
        caplog.set_level(logging.DEBUG)
        # The test's own client and server have loggers, which an instance silences.
        logging.getLogger("aiohttp.access").disabled = True
        fields = {"output_folder_path": str(output_folder / "secretout"), **changes.pop("fields", {})}
        image = write_film("secretward.dcm", **{**PATIENT, **changes})
        status, _ = await ask({"input_image_path": str(image), **fields})
        return status, [record.getMessage() + str(record.exc_info or "") for record in caplog.records]

    yield post
    logging.getLogger("aiohttp.access").disabled = False


def leaked(lines):
    return [line for line in lines for secret in SECRETS if secret.lower() in line.lower()]


async def test_a_success_is_logged_without_the_patient(assess):
    status, lines = await assess()
    assert status == 200
    assert any(re.fullmatch(r"POST /single_inference 200 \d+ ms", line) for line in lines)
    assert not leaked(lines)


def failing(error):
    def answer(inputs, parameters):
        raise error

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        failing(ModelUnavailable("chest_xray is not available")),
        failing(InferenceFailed("chest_xray failed")),
        failing(InferenceTimeout("chest_xray did not answer in time")),
        failing(KeyError("SECRETID77")),
        failing(ValueError("/data/secretward.dcm of Secretfamily")),
        chest_xray_answer(chest_logit=-1.0),
    ],
    ids=range(6),
)
async def test_a_failure_is_logged_without_the_patient(assess, triton, answer):
    triton.answers["chest_xray"] = answer
    status, lines = await assess()
    assert status == 500
    assert lines
    assert not leaked(lines)


@pytest.mark.parametrize(
    "attributes",
    [
        {"PatientID": "SECRETID77" + "x" * 300},  # longer than its VR allows: pydicom would quote it
        {"PatientID": "../SECRETID77\n\0"},
        {"PatientName": "Secretfamily^^^^^^^^Secretgiven" * 20},
        {"Modality": "Secretfamily^Secretgiven"},
        {"BodyPartExamined": "Secretfamily Secretgiven"},
        {"ViewPosition": "SECRETID77"},
        {"PatientAge": "SECRETID77"},
        {"StudyDate": "SECRETID77"},
        {"SOPInstanceUID": "SECRETID77"},
        {"PhotometricInterpretation": "SECRETID77"},
        {"Rows": 60000},
        {"SpecificCharacterSet": "SECRETID77"},
    ],
    ids=str,
)
async def test_a_hostile_film_is_logged_without_the_patient(assess, attributes):
    _, lines = await assess(**attributes)
    assert lines
    assert not leaked(lines)


@pytest.mark.parametrize(
    "fields",
    [
        {"input_image_path": "/secretward/absent.dcm"},
        {"input_image_path": "secretward"},
        {"output_folder_path": "secretout"},
        {"output_folder_path": "/proc/self/fdinfo/secretout"},
        {"patient_id": "SECRETID77\n"},
        {"save_to_disk": "SECRETID77"},
    ],
    ids=str,
)
async def test_a_refusal_is_logged_without_the_patient(assess, fields):
    status, lines = await assess(fields=fields)
    assert status in (400, 500)
    assert lines
    assert not leaked(lines)


async def test_no_line_break_of_a_film_comes_into_the_log(assess):
    _, lines = await assess(Modality="MR\nINFO forged")
    assert not [line for line in lines if "\n" in line and "forged" in line]


# The lines themselves


@pytest.fixture
def configured():
    """Configure logging as an instance does, and put everything back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    libraries = {name: logging.getLogger(name).level for name in ("asyncio", "grpc", "pydicom", "PIL")}
    filters = logging.getLogger("aiohttp.server").filters[:]

    def configure(name):
        logs.configure(name)

    yield configure
    root.handlers[:], root.level = handlers, level
    logging.getLogger("aiohttp.access").disabled = False
    logging.getLogger("aiohttp.server").filters[:] = filters
    for name, was in libraries.items():
        logging.getLogger(name).setLevel(was)


def test_each_line_has_time_level_module_and_request(configured, capsys):
    configured("INFO")
    token = request_id.set("0123456789abcdef")
    logging.getLogger("gateway.somewhere").info("%s things", 3)
    request_id.reset(token)
    line = capsys.readouterr().err
    pattern = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO    gateway\.somewhere \[0123456789ab\] 3 things\n"
    assert re.fullmatch(pattern, line)


def test_a_line_outside_any_request_says_so(configured, capsys):
    configured("INFO")
    logging.getLogger("gateway").warning("up")
    assert "gateway [-] up" in capsys.readouterr().err


def test_logs_nothing_below_the_level(configured, capsys):
    configured("WARNING")
    logging.getLogger("gateway").info("detail")
    assert capsys.readouterr().err == ""


def test_libraries_do_not_speak_of_values_even_at_debug(configured, capsys):
    configured("DEBUG")
    for name in ("asyncio", "grpc", "pydicom", "PIL.Image"):
        logging.getLogger(name).info("PatientName: Doe")
    logging.getLogger("aiohttp.access").info("GET /Doe")
    assert "Doe" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: SECRETTOKEN\x01\r\n\r\n",
        b"GET /SECRETPATH\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nAuthorization: SECRETTOKEN" + b"x" * 10_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nSECRETBODY\r\n",
    ],
    ids=range(4),
)
async def test_a_request_that_is_no_http_is_not_quoted(client, configured, capsys, raw):
    configured("DEBUG")
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(raw)
    assert (await reader.read()).startswith(b"HTTP/1.0 400 ")
    writer.close()
    log = capsys.readouterr().err
    assert re.search(r"Error handling request from 127\.0\.0\.1: \w+\n", log)
    assert "SECRET" not in log
    assert "Traceback" not in log


def test_a_library_that_repeats_itself_is_cut_short():
    now = [100.0]
    repeats = logs.Repeats("dbos", lambda: now[0])

    def said(name, message, *args):
        record = logging.LogRecord(name, logging.WARNING, "", 1, message, args, None)
        return record.getMessage() if repeats(record) else None

    assert said("dbos", "connection lost: %s", "a") == "connection lost: a"
    assert said("dbos", "connection lost: %s", "b") is None
    assert said("dbos", "another thing") == "another thing"
    assert said("gateway.jobs", "connection lost: %s", "c") == "connection lost: c"
    assert said("gateway.jobs", "connection lost: %s", "c") == "connection lost: c"
    now[0] += logs.REPEAT_SECONDS
    assert said("dbos", "connection lost: %s", "d") == "connection lost: d (and 1 more like it)"
    assert said("dbos", "connection lost: %s", "e") is None


def test_what_is_written_leaves_repeats_of_dbos_out():
    """In a process of its own: the root logger of this one is pytest's."""
    script = """
import logging
from gateway import logs
logs.configure("INFO")
for _ in range(3):
    logging.getLogger("dbos.child").warning("the database is away")
    logging.getLogger("gateway.jobs").warning("a job waits")
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert (done.stderr.count("the database is away"), done.stderr.count("a job waits")) == (1, 3)
