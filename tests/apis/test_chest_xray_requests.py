"""What `/single_inference` refuses, in the documentation's words and in its order."""

import json
import os
import socket
import time

import pytest

from gateway.accounts.tokens import issue

PATH = "/single_inference"
NOT_JSON = "Request body is not valid JSON"
IMAGE_MISSING = "input_image_path is required in the request"
FOLDER_MISSING = "output_folder_path is required in the request"


def failure(message):
    return {"Result": "Failure", "Data": None, "Message": message}


@pytest.fixture
def wrong_in_every_way(output_folder):
    """A body whose image and folder are both wrong, for tests of what is said first."""
    return {"input_image_path": "relative.png", "output_folder_path": "relative"}


# 401


async def test_asks_for_a_token(client):
    response = await client.post(PATH, json={})
    assert (response.status, await response.json()) == (401, failure("Token missing"))


@pytest.mark.parametrize("header", ["", " ", "Bearer", "Bearer "])
async def test_takes_an_empty_header_for_no_token(client, header):
    response = await client.post(PATH, json={}, headers={"Authorization": header})
    assert (response.status, await response.json()) == (401, failure("Token missing"))


async def test_tells_an_expired_token(client, token_with):
    headers = {"Authorization": token_with(exp=time.time() - 3600)}
    response = await client.post(PATH, json={}, headers=headers)
    assert (response.status, await response.json()) == (401, failure("Token expired"))


def tampered(token):
    header, payload, signature = token.split(".")
    return f"{header}.{payload}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda sign: "not a token",
        lambda sign: "Basic dXNlcjpwYXNz",
        lambda sign: tampered(sign()),
        lambda sign: sign(secret="another secret that is thirty-two bytes long"),
        lambda sign: sign(secret="", algorithm="none"),  # unsigned
        lambda sign: tampered(sign(exp=1)),  # expired and tampered: nothing about a forged token is told
        lambda sign: "x" * 5000,
    ],
)
async def test_refuses_what_is_no_token_of_ours(client, token_with, spoil):
    response = await client.post(PATH, json={}, headers={"Authorization": spoil(token_with)})
    assert (response.status, await response.json()) == (401, failure("Invalid token"))


@pytest.mark.parametrize("prefix", ["", "Bearer ", "bearer "])
async def test_takes_the_token_raw_or_as_bearer(client, token, prefix):
    response = await client.post(PATH, json={}, headers={"Authorization": prefix + token})
    assert response.status == 400


# 415


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"input_image_path": }',
        b"input_image_path=/a.dcm",
        b'{"input_image_path": "\xff"}',  # not UTF-8
        b"[" * 60_000,  # deeper than any stack
        b'{"a":' * 12_000,
        b'{"input_image_path": NaN}',  # Python's own extension of JSON
        b'{"input_image_path": -Infinity}',
    ],
    ids=range(10),
)
async def test_refuses_what_is_not_json(client, token, body):
    headers = {"Authorization": token, "Content-Type": "application/json"}
    response = await client.post(PATH, data=body, headers=headers)
    assert (response.status, await response.json()) == (415, failure(NOT_JSON))


async def test_is_not_confused_by_any_depth(client, token):
    headers = {"Authorization": token, "Content-Type": "application/json"}
    seen = set()
    # Somewhere here the reader of JSON just passes and a writer of it, a few calls deeper, does not.
    for depth in range(800, 1010):
        body = b'{"input_image_path": ' + b"[" * depth + b"]" * depth + b', "output_folder_path": "/out"}'
        response = await client.post(PATH, data=body, headers=headers)
        seen.add((response.status, (await response.json())["Message"][:30]))
    assert seen <= {(400, "Invalid path input_image_path:"), (415, NOT_JSON[:30])}


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "nonsense"]
)
async def test_refuses_another_content_type(client, token, content_type):
    headers = {"Authorization": token, "Content-Type": content_type}
    response = await client.post(PATH, data=b"{}", headers=headers)
    assert (response.status, await response.json()) == (415, failure(NOT_JSON))


async def test_refuses_no_content_type(client, token):
    response = await client.post(
        PATH, data=b"{}", headers={"Authorization": token}, skip_auto_headers=["Content-Type"]
    )
    assert (response.status, await response.json()) == (415, failure(NOT_JSON))


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
async def test_takes_json_however_it_is_labelled(client, token, content_type):
    headers = {"Authorization": token, "Content-Type": content_type}
    response = await client.post(PATH, data=b"{}", headers=headers)
    assert (response.status, await response.json()) == (400, failure(IMAGE_MISSING))


# Rows 1 and 2: fields


@pytest.mark.parametrize("body", [[], [1], "text", 5, True, {}])
async def test_asks_for_the_first_field_when_json_holds_none(client, token, body):
    headers = {"Authorization": token, "Content-Type": "application/json"}
    response = await client.post(PATH, data=json.dumps(body), headers=headers)
    assert (response.status, await response.json()) == (400, failure(IMAGE_MISSING))


async def test_takes_json_null_for_no_field(client, token):
    headers = {"Authorization": token, "Content-Type": "application/json"}
    response = await client.post(PATH, data=b"null", headers=headers)
    assert (response.status, await response.json()) == (400, failure(IMAGE_MISSING))


@pytest.mark.parametrize("value", [None, "", " ", "\t\n "])
async def test_asks_for_the_image(ask, value):
    assert await ask(input_image_path=value, output_folder_path="/out") == (400, failure(IMAGE_MISSING))


@pytest.mark.parametrize("value", [None, "", " ", "\t\n "])
async def test_asks_for_the_folder(ask, write_film, value):
    answer = await ask(input_image_path=str(write_film()), output_folder_path=value)
    assert answer == (400, failure(FOLDER_MISSING))


@pytest.mark.parametrize(
    ("value", "shown"),
    [(5, "5"), (True, "true"), ([], "[]"), (["/a.dcm"], '["/a.dcm"]'), ({"a": 1}, '{"a": 1}'), (0, "0")],
)
async def test_refuses_a_field_that_is_no_text(ask, write_film, value, shown):
    image = str(write_film())
    answer = await ask(input_image_path=value, output_folder_path="/out")
    assert answer == (400, failure(f"Invalid path input_image_path: {shown}"))
    answer = await ask(input_image_path=image, output_folder_path=value)
    assert answer == (400, failure(f"Invalid path output_folder_path: {shown}"))


# Row 3: paths

UNPARSABLE = [
    "film.dcm",  # relative
    "./film.dcm",
    "../film.dcm",
    "~/film.dcm",
    "C:\\films\\film.dcm",
    "file:///film.dcm",
    "/a/../film.dcm",
    "/a/./film.dcm",
    "/..",
    "/film\0.dcm",
    "/" + "x" * 4096 + ".dcm",
    "/" + "x" * 300 + ".dcm",  # a component longer than any filesystem takes
]


@pytest.mark.parametrize("path", UNPARSABLE, ids=range(len(UNPARSABLE)))
async def test_refuses_a_path_that_is_none(ask, path):
    shown = path if len(path) <= 4096 else path[:4096] + "…"
    answer = await ask(input_image_path=path, output_folder_path="/out")
    assert answer == (400, failure(f"Invalid path input_image_path: {shown}"))


@pytest.mark.parametrize("path", UNPARSABLE, ids=range(len(UNPARSABLE)))
async def test_refuses_a_folder_path_that_is_none(ask, write_film, path):
    shown = path if len(path) <= 4096 else path[:4096] + "…"
    answer = await ask(input_image_path=str(write_film()), output_folder_path=path)
    assert answer == (400, failure(f"Invalid path output_folder_path: {shown}"))


async def test_survives_half_a_surrogate_pair(client, token):
    headers = {"Authorization": token, "Content-Type": "application/json"}
    body = rb'{"input_image_path": "/\udcff.dcm", "output_folder_path": "/out"}'
    response = await client.post(PATH, data=body, headers=headers)
    assert (response.status, await response.json()) == (
        400,
        failure("Invalid path input_image_path: /?.dcm"),
    )


def as_symbolic_link(film):
    link = film.with_name("link.dcm")
    link.symlink_to(film)
    return link


def as_hard_link(film):
    link = film.with_name("link.dcm")
    os.link(film, link)
    return link


def below_a_linked_folder(film):
    link = film.parent.parent / "linked"
    link.symlink_to(film.parent)
    return link / film.name


def as_fifo(film):
    os.mkfifo(film.with_name("fifo.dcm"))
    return film.with_name("fifo.dcm")


def as_socket(film):
    path = film.with_name("s.dcm")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))
    return path


def as_device(film):
    path = film.with_name("zero.dcm")
    try:
        os.mknod(path, 0o020666, os.makedev(1, 5))  # /dev/zero by another name
    except PermissionError:
        pytest.skip("may not make a device")
    return path


@pytest.mark.parametrize(
    "disguise", [as_symbolic_link, as_hard_link, below_a_linked_folder, as_fifo, as_socket, as_device]
)
async def test_opens_nothing_but_a_file_of_its_own(ask, write_film, output_folder, disguise):
    path = disguise(write_film())
    answer = await ask(input_image_path=str(path), output_folder_path=str(output_folder))
    assert answer == (400, failure(f"Invalid path input_image_path: {path}"))
    assert not output_folder.exists()


async def test_reads_no_link_to_a_file_outside(ask, input_folder):
    link = input_folder / "passwd.dcm"
    link.symlink_to("/etc/passwd")
    answer = await ask(input_image_path=str(link), output_folder_path="/out")
    assert answer == (400, failure(f"Invalid path input_image_path: {link}"))


# Rows 4 and 5: the file


async def test_tells_that_nothing_is_there(ask, input_folder):
    path = input_folder / "absent.dcm"
    answer = await ask(input_image_path=str(path), output_folder_path="/out")
    assert answer == (400, failure(f"Input image path does not exist: {path}"))


@pytest.mark.parametrize("name", ["", "folder.dcm", "folder.dcm/", "film.dcm/", "film.dcm/film.dcm"])
async def test_takes_a_folder_for_no_image(ask, input_folder, write_film, name):
    (input_folder / "folder.dcm").mkdir()
    write_film()
    path = f"{input_folder}/{name}"
    answer = await ask(input_image_path=path, output_folder_path="/out")
    assert answer == (400, failure(f"Input image path does not exist: {path}"))


@pytest.mark.parametrize("name", ["film", "film.png", "film.dcm.txt", "film.dicom", "dcm", "film.dcm "])
async def test_takes_no_other_extension(ask, write_film, name):
    path = write_film(name)
    answer = await ask(input_image_path=str(path), output_folder_path="/out")
    assert answer == (400, failure(f"Requested image is not a DICOM file: {path}"))


@pytest.mark.parametrize("name", ["film.dcm", "film.DCM", "film.Dcm", ".dcm", "a b é.dcm"])
async def test_takes_the_extension_in_any_case(ask, write_film, output_folder, name):
    status, _ = await ask(input_image_path=str(write_film(name)), output_folder_path=str(output_folder))
    assert status == 200


# Rows 6 and 7: the header


@pytest.mark.parametrize(
    "content", [b"", b"no DICOM at all", b"\0" * 128 + b"DICM", b"\x89PNG\r\n\x1a\n" * 50, b"DICM" * 1000]
)
async def test_refuses_what_only_looks_like_dicom(ask, input_folder, output_folder, content):
    path = input_folder / "film.dcm"
    path.write_bytes(content)
    answer = await ask(input_image_path=str(path), output_folder_path=str(output_folder))
    message = f"Invalid DICOM image, unable to fetch patient ID: {path}"
    assert answer == (400, failure(message))
    assert not output_folder.exists()


async def test_refuses_what_is_no_dicom_also_when_the_caller_names_the_patient(
    ask, input_folder, output_folder
):
    path = input_folder / "film.dcm"
    path.write_bytes(b"no DICOM at all")
    answer = await ask(input_image_path=str(path), output_folder_path=str(output_folder), patient_id="PAT001")
    assert answer == (400, failure(f"Invalid DICOM image, unable to fetch patient ID: {path}"))


@pytest.mark.parametrize("patient_id", [None, "", " ", "   "])
async def test_asks_the_film_for_a_patient_id(ask, write_film, output_folder, patient_id):
    path = write_film(PatientID=patient_id)
    answer = await ask(input_image_path=str(path), output_folder_path=str(output_folder))
    assert answer == (400, failure(f"Patient ID is empty or None: {path}"))
    assert not output_folder.exists()


# The order of the checks


async def test_looks_at_the_token_before_the_body(client):
    response = await client.post(PATH, data=b"{", headers={"Content-Type": "text/plain"})
    assert (await response.json())["Message"] == "Token missing"


async def test_looks_at_the_token_before_the_size(client):
    response = await client.post(PATH, data=b"x" * 100_000)
    assert (await response.json())["Message"] == "Token missing"


async def test_looks_at_the_image_field_before_the_others(ask):
    status, answer = await ask(save_to_disk="yes", patient_id="\n")
    assert (status, answer) == (400, failure(IMAGE_MISSING))


async def test_looks_for_the_folder_before_it_looks_at_the_image_path(ask):
    assert await ask(input_image_path="relative") == (400, failure(FOLDER_MISSING))


async def test_looks_whether_the_image_is_there_before_at_its_extension(ask, input_folder):
    path = input_folder / "absent.png"
    answer = await ask(input_image_path=str(path), output_folder_path="/out")
    assert answer == (400, failure(f"Input image path does not exist: {path}"))


async def test_looks_at_the_extension_before_the_header(ask, input_folder):
    path = input_folder / "text.txt"
    path.write_text("no DICOM")
    answer = await ask(input_image_path=str(path), output_folder_path="/out")
    assert answer == (400, failure(f"Requested image is not a DICOM file: {path}"))


async def test_looks_at_the_patient_id_before_it_makes_a_folder(ask, write_film, tmp_path):
    (tmp_path / "file").write_text("in the way")
    path = write_film(PatientID="")
    answer = await ask(input_image_path=str(path), output_folder_path=str(tmp_path / "file" / "out"))
    assert answer == (400, failure(f"Patient ID is empty or None: {path}"))


async def test_makes_the_folder_before_it_costs_an_inference(ask, write_film, tmp_path, triton):
    (tmp_path / "file").write_text("in the way")
    status, _ = await ask(
        input_image_path=str(write_film()), output_folder_path=str(tmp_path / "file" / "out")
    )
    assert (status, triton.calls) == (500, [])


# Roots


@pytest.fixture
async def ask_within(serve_service, make_service, token, input_folder, tmp_path):
    """Ask a server that reads below `in` and writes below `allowed` only."""
    from gateway.files.roots import Roots

    (tmp_path / "allowed").mkdir()
    service = make_service(input_roots=Roots([input_folder]), output_roots=Roots([tmp_path / "allowed"]))
    client = await serve_service(service)

    async def post(**fields):
        response = await client.post(PATH, json=fields, headers={"Authorization": token})
        return response.status, await response.json()

    return post


async def test_reads_nothing_outside_the_roots(ask_within, tmp_path):
    for path in (tmp_path / "film.dcm", "/etc/passwd", f"{tmp_path}/in2/film.dcm"):
        answer = await ask_within(input_image_path=str(path), output_folder_path=f"{tmp_path}/allowed")
        assert answer == (400, failure(f"Invalid path input_image_path: {path}"))


async def test_writes_nothing_outside_the_roots(ask_within, write_film, tmp_path):
    for path in (tmp_path / "out", f"{tmp_path}/allowed2", "/"):
        answer = await ask_within(input_image_path=str(write_film()), output_folder_path=str(path))
        assert answer == (400, failure(f"Invalid path output_folder_path: {path}"))
    assert not (tmp_path / "out").exists()


async def test_works_below_the_roots(ask_within, write_film, tmp_path):
    folder = tmp_path / "allowed" / "a" / "b"
    status, _ = await ask_within(input_image_path=str(write_film()), output_folder_path=str(folder))
    assert status == 200
    assert (folder / "PAT001" / "PAT001_report.pdf").exists()


# A token of this product's own making


async def test_takes_the_token_that_the_command_issues(client):
    from tests.conftest import SECRET

    headers = {"Authorization": issue("site", secret=SECRET, days=1)}
    assert (await client.post(PATH, json={}, headers=headers)).status == 400
