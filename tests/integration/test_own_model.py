"""Inference requests that name an operator's own ensemble: real Triton, real Orthanc, its mask as a SEG."""

import io
import json
import shutil

import highdicom as hd
import numpy as np
import pydicom
import pytest

from gateway.imaging.dicom import read_image
from gateway.imaging.radiograph import render_radiograph
from tests.dicom_results import require_valid
from tests.integration.acr_callers import STUDY, allow, ask, ended, films, request
from tests.integration.instances import ROOT
from tests.outbound.conftest import orthanc, orthanc_server  # noqa: F401

SEG = "1.2.840.10008.5.1.4.1.1.66.4"
ENSEMBLE = """
name: "bright"
platform: "ensemble"
max_batch_size: 1
input [{ name: "image" data_type: TYPE_STRING dims: [ 1 ] }]
output [
  { name: "segmentation" data_type: TYPE_UINT8 dims: [ -1, -1 ] },
  { name: "segments" data_type: TYPE_STRING dims: [ 1 ] }
]
ensemble_scheduling {
  step [
    {
      model_name: "radiograph_decode"
      model_version: -1
      input_map { key: "image" value: "image" }
      output_map { key: "picture" value: "picture" }
    },
    {
      model_name: "bright_threshold"
      model_version: -1
      input_map { key: "picture" value: "picture" }
      output_map { key: "segmentation" value: "segmentation" }
      output_map { key: "segments" value: "segments" }
    }
  ]
}
"""
CONFIG = """
name: "bright_threshold"
backend: "python"
max_batch_size: 1
input [{ name: "picture" data_type: TYPE_UINT8 dims: [ -1, -1 ] }]
output [
  { name: "segmentation" data_type: TYPE_UINT8 dims: [ -1, -1 ] },
  { name: "segments" data_type: TYPE_STRING dims: [ 1 ] }
]
instance_group [{ kind: KIND_CPU count: 1 }]
"""
MODEL = """
import numpy as np

from gateway.triton.backend import respond, text

SEGMENTS = [{"label": "Bright", "code": ["85756007", "SCT", "Tissue"]}]


class TritonPythonModel:
    def execute(self, requests):
        return respond(requests, self._threshold)

    def _threshold(self, picture):
        return {"segmentation": (picture > 200).astype(np.uint8), "segments": text(SEGMENTS)}
"""


@pytest.fixture
def instance(new_instance, orthanc, tmp_path):  # noqa: F811
    """An instance with a model repository of the operator's: ours, and an ensemble with a step of its own."""
    repository = tmp_path / "models"
    # No links: whose files Triton reads, it also starts.
    shutil.copytree(ROOT / "model_repository", repository, ignore=shutil.ignore_patterns("*.md", "*.jpg"))
    for name, files in {
        "bright": {"config.pbtxt": ENSEMBLE, "1/.gitkeep": ""},
        "bright_threshold": {"config.pbtxt": CONFIG, "1/model.py": MODEL},
    }.items():
        (repository / name / "1").mkdir(parents=True)
        for file, content in files.items():
            (repository / name / file).write_text(content)
    (tmp_path / "peers.json").write_text(json.dumps(allow(orthanc)))
    made = new_instance(peers_file=str(tmp_path / "peers.json"), model_repository=str(repository))
    made.start()
    made.wait_ready(180)
    return made


def test_the_mask_of_an_own_ensemble_comes_back_as_a_segmentation(instance, orthanc, tmp_path):  # noqa: F811
    sources = films(2)
    orthanc.add(sources)
    code, accepted = ask(instance, "", request(orthanc, STUDY, model="bright"))
    assert code == 200, accepted
    found = ended(instance, accepted["jobId"])
    assert (found["platform"]["status"], found["message"]) == ("Healthy", ""), found
    held = [pydicom.dcmread(io.BytesIO(orthanc.file(uid))) for uid in orthanc.sop_instance_uids()]
    segmentations = [each for each in held if each.SOPClassUID == SEG]
    assert len(segmentations) == len(sources)
    for result in segmentations:
        require_valid(result, tmp_path)
        assert (result.StudyInstanceUID, result.PatientID) == (STUDY, "P-7")
        opened = hd.seg.Segmentation.from_dataset(result)
        (uids,) = opened.get_source_image_uids()
        (source,) = [each for each in sources if uids[2].encode() in each[:2000]]
        pixels = opened.get_pixels_by_source_instance([uids[2]], combine_segments=True)[0]
        assert np.array_equal(pixels, render_radiograph(read_image(source)).pixels > 200)
        assert 0.01 < pixels.mean() < 0.99, "a mask of nothing would prove nothing"
