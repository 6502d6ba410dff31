import io

import pydicom

from gateway.imaging.results import encoded, pipeline_of
from tests.dicom_results import STAMP, VHS_MODEL, chest_outputs, source_file
from tests.peers.orthanc import running_orthanc

KANJI = "Yamada^Tarou=山田^太郎=やまだ^たろう"


def test_an_archive_keeps_each_result_once_beside_its_film(tmp_path):
    film = source_file(SpecificCharacterSet=["", "ISO 2022 IR 87"], PatientName=KANJI)
    header = pydicom.dcmread(io.BytesIO(film))
    results = pipeline_of("chest_xray").results(chest_outputs(film), header, VHS_MODEL, STAMP).dicom
    files = {each.SOPInstanceUID: encoded(each) for each in results}
    with running_orthanc(tmp_path) as archive:
        archive.add([film, *files.values(), *files.values()])
        assert sorted(archive.sop_instance_uids()) == sorted(["1.2.3.4", *files])
        assert {each: archive.file(each) for each in files} == files
        (study,) = archive.rest("/studies?expand")
        assert study["PatientMainDicomTags"]["PatientName"] == KANJI
        assert len(study["Series"]) == 4
