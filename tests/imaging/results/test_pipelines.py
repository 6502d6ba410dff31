import json
import pickle

import cv2
import numpy as np

from gateway.imaging.png import encode_png
from gateway.imaging.results import Model, encoded, pipeline_of
from tests.dicom_results import (
    STAMP,
    VHS_MODEL,
    assessment,
    chest_outputs,
    comments,
    read_back,
    require_valid,
    source,
    source_file,
)


def test_feeds_chest_xray_with_the_file_itself():
    file = source_file()
    assert pipeline_of("chest_xray").inputs(file)["dicom"].tobytes() == file


def test_feeds_others_with_the_picture_as_it_is_looked_at():
    given = pipeline_of("any other").inputs(source_file())
    assert list(given) == ["image"]
    png = np.frombuffer(given["image"][0, 0], np.uint8)
    header = source()
    assert cv2.imdecode(png, cv2.IMREAD_UNCHANGED).shape == (header.Rows, header.Columns)
    asked = pipeline_of("vhs").inputs(source_file())
    assert asked["render"].dtype == np.bool_
    assert asked["render"].shape == asked["image"].shape == (1, 1)


def test_gives_chest_xray_as_document_dicom_and_fhir():
    outputs = chest_outputs(source_file())
    results = pipeline_of("chest_xray").results(outputs, source(), VHS_MODEL, STAMP)
    assert results.document == json.loads(outputs["prediction"][0, 0])
    assert [each.Modality for each in results.dicom] == ["SR", "OT", "DOC"]
    assert [each["resourceType"] for each in results.fhir] == ["Observation"] * 12 + ["DiagnosticReport"]


def test_can_be_made_in_another_process():
    make = pickle.loads(pickle.dumps(pipeline_of("chest_xray").results))
    made = make(chest_outputs(source_file()), source(), VHS_MODEL, STAMP)
    arrived = pickle.loads(pickle.dumps(made))
    assert [encoded(each) for each in arrived.dicom] == [encoded(each) for each in made.dicom]
    assert arrived.fhir == made.fhir


def test_gives_vhs_with_its_drawing_where_there_is_one():
    png = np.frombuffer(encode_png(np.zeros((30, 20, 3), np.uint8)), np.uint8)[np.newaxis]
    for drawing, modalities in ((png, ["SR", "OT"]), (np.zeros((1, 0), np.uint8), ["SR"])):
        outputs = {
            "result": np.array([[json.dumps(assessment()).encode()]], np.object_),
            "rendered_png": drawing,
        }
        results = pipeline_of("vhs").results(outputs, source(), VHS_MODEL, STAMP)
        assert [each.Modality for each in results.dicom] == modalities
        assert results.document == assessment()


def test_sends_pictures_no_larger_than_they_are_looked_at():
    large = encode_png(np.full((3000, 2000, 3), (200, 100, 50), np.uint8))  # BGR
    outputs = {
        "result": np.array([[json.dumps(assessment()).encode()]], np.object_),
        "rendered_png": np.frombuffer(large, np.uint8)[np.newaxis],
    }
    picture = read_back(pipeline_of("vhs").results(outputs, source(), VHS_MODEL, STAMP).dicom[1])
    assert picture.pixel_array.shape == (2048, 1365, 3)
    assert tuple(picture.pixel_array[7, 7]) == (50, 100, 200)


def test_reports_whatever_another_ensemble_answers(tmp_path):
    outputs = {
        "score": np.array([[0.25, 0.5]], np.float32),
        "map": np.zeros((1, 99, 99), np.float32),
        "labels": np.array([['{"a": "größer"}'.encode()]], np.object_),
        "note": np.array([[b"\xff not JSON"]], np.object_),
    }
    results = pipeline_of("other").results(outputs, source(), Model("other", "3"), STAMP)
    assert results.document == {
        "labels": {"a": "größer"},
        "map": {"shape": [99, 99], "dtype": "float32"},
        "note": "\ufffd not JSON",
        "score": [0.25, 0.5],
    }
    (report,) = results.dicom
    require_valid(report, tmp_path)
    assert "score: [0.25, 0.5]" in comments(read_back(report))
    json.dumps(results.document)
