"""Results as objects that others keep: DICOM for archives, FHIR for records; pure, and always the same.

`pipelines` says which function makes an ensemble's outputs into results. `chest_xray`, `vhs` and
`any_model` say what is reported; `structured_report`, `picture`, `document`, `segmentation` and `fhir` write
it; `source` takes over whose it is, `instance` adds what all have in common, `stamp` makes the identifiers.
"""

from gateway.imaging.results.chest_xray import chest_xray_resources, chest_xray_results
from gateway.imaging.results.codes import Model
from gateway.imaging.results.instance import encoded
from gateway.imaging.results.pipelines import Pipeline, Results, pipeline_of
from gateway.imaging.results.segmentation import Segment, segmentation
from gateway.imaging.results.stamp import Stamp, uid
from gateway.imaging.results.vhs import vhs_resources, vhs_results

__all__ = [
    "Model",
    "Pipeline",
    "Results",
    "Segment",
    "Stamp",
    "chest_xray_resources",
    "chest_xray_results",
    "encoded",
    "pipeline_of",
    "segmentation",
    "uid",
    "vhs_resources",
    "vhs_results",
]
