"""What /bulk_inference refuses, in the documented order."""

import os

import pytest

NOBODY = 65534


def refusal(message):
    return {"Result": "Failure", "Data": None, "Message": message}


async def test_nobody_without_a_token(caller, bulk_client):
    for method, path in (("POST", ""), ("GET", "/1"), ("DELETE", "/1"), ("GET", "/1/events")):
        async with bulk_client.request(method, f"/bulk_inference{path}") as response:
            assert (response.status, await response.json()) == (401, refusal("Token missing"))


async def test_the_body_is_checked_in_the_documented_order(
    caller, bulk_client, folders, input_folder, tmp_path
):
    async def message(**fields):
        status, _, body = await caller.post({**folders, **fields})
        assert body == refusal(body["Message"])
        return status, body["Message"]

    async with bulk_client.post("/bulk_inference", data=b"{", headers=caller.headers) as response:
        assert (response.status, await response.json()) == (415, refusal("Request body is not valid JSON"))
    no_input, no_output = (f"{name}_folder_path is required in the request" for name in ("input", "output"))
    assert (await caller.post({}))[2]["Message"] == no_input
    assert await message(input_folder_path=" ", output_folder_path=None) == (400, no_input)
    assert await message(input_folder_path="relative", output_folder_path="") == (400, no_output)
    for path in ("relative", 5, "/a/../b", "/nul\0"):
        shown = path if isinstance(path, str) else "5"
        assert await message(input_folder_path=path) == (400, f"Invalid path input_folder_path: {shown}")
    assert await message(input_folder_path="/no/such", output_folder_path="x") == (
        400,
        "Input folder path does not exist: /no/such",
    )
    (tmp_path / "file").write_bytes(b"")
    for path in (f"{tmp_path}/file", f"{tmp_path}/file/"):
        assert await message(input_folder_path=path) == (400, f"Input folder path is not a directory: {path}")
    assert await message(output_folder_path="x") == (400, "No Dicom images found in the provided path")
    (input_folder / "a.dcm").write_bytes(b"")
    assert await message(output_folder_path="x") == (400, "Invalid path output_folder_path: x")
    taken = f"{tmp_path}/file/out"
    assert await message(output_folder_path=taken) == (500, f"Unable to create output folder: {taken}")
    assert await message(manifest="yes") == (400, "Invalid value for manifest, should be a boolean: yes")


async def test_folders_outside_the_roots_and_links_are_refused(
    serve_service, start_bulk, folders, input_folder, tmp_path
):
    from gateway.files.roots import Roots
    from tests.apis.bulk_callers import Caller

    (input_folder / "a.dcm").write_bytes(b"")
    (input_folder / "link").symlink_to(input_folder)
    bulk = await start_bulk(roots=Roots([input_folder]))
    caller = Caller(await serve_service(None, bulk=bulk), folders)
    for name, path in (
        ("input_folder_path", str(tmp_path)),
        ("input_folder_path", f"{input_folder}/link"),
        ("output_folder_path", str(tmp_path / "out")),
    ):
        assert (await caller.post(**{name: path}))[2] == refusal(f"Invalid path {name}: {path}")
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become somebody else")
async def test_a_folder_that_may_not_be_read(caller, input_folder):
    input_folder.parent.chmod(0o755)
    input_folder.chmod(0)
    os.seteuid(NOBODY)
    try:
        assert (await caller.post())[2]["Message"] == f"Invalid path input_folder_path: {input_folder}"
    finally:
        os.seteuid(0)
