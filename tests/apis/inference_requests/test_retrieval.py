"""From real sources through the pipeline to real outputs."""

import io

import pydicom

from tests.apis.inference_requests.conftest import algorithm, body, instance, rule, to


async def test_fetches_a_study_and_files_its_results_with_it(serve_requests, orthanc):
    orthanc.add([instance(number) for number in (1, 2)])
    caller = await serve_requests(rule(orthanc.uri))
    ended = await caller.done(body(inputResources=[algorithm(), to(orthanc)], outputResources=[to(orthanc)]))
    assert ended["platform"]["status"] == "Healthy", ended
    assert ended["dicom"] == {"state": "Completed", "status": "Success"}
    assert ended["message"] == ""
    found = [pydicom.dcmread(io.BytesIO(orthanc.file(uid))) for uid in orthanc.sop_instance_uids()]
    assert sorted(each.Modality for each in found) == ["CR"] * 2 + ["DOC"] * 2 + ["OT"] * 2 + ["SR"] * 2
    assert {each.StudyInstanceUID for each in found} == {"1.2.3"}
    assert not caller.service.folders.job_ids()
