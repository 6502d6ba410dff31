"""Coded words of the results: standard codes where one means the same, else RadGate's own scheme."""

from typing import NamedTuple

from pydicom.sr.coding import Code

from gateway.imaging.results.stamp import uid

SCHEME = "99RADGATE"
"""Private coding schemes begin with 99 (PS3.3 8.2)."""
SCHEME_UID = uid("radgate", "coding scheme")
SYSTEMS = {
    "SCT": "http://snomed.info/sct",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "UCUM": "http://unitsofmeasure.org",
    "LN": "http://loinc.org",
    SCHEME: f"urn:oid:{SCHEME_UID}",
}
"""The same schemes in FHIR."""


class Model(NamedTuple):
    """Which algorithm answered."""

    name: str
    version: str
    parameters: tuple[str, ...] = ()
    """What else tells one state of it from another, such as the hash of its weights."""


def own(value: str, meaning: str) -> Code:
    """Make a code of RadGate's own scheme."""
    return Code(value[:16], SCHEME, meaning[:64])


FINDING_CODES = {
    "Tuberculosis": Code("56717001", "SCT", "Tuberculosis"),
    "Cardiomegaly": Code("8186001", "SCT", "Cardiomegaly"),
    "Aortic Enlargement": own("aortic-enlarged", "Aortic enlargement"),
    "Pleural Thickening": own("pleural-thick", "Pleural thickening"),
    "Pleural Effusion": Code("60046008", "SCT", "Pleural effusion"),
    "Pneumothorax": Code("36118008", "SCT", "Pneumothorax"),
    "Consolidation": Code("95436008", "SCT", "Lung consolidation"),
    "Atelectasis": Code("46621007", "SCT", "Atelectasis"),
    "Nodule Mass": own("nodule-mass", "Nodule or mass"),  # SNOMED has one or the other
    "Fibrosis": Code("51615001", "SCT", "Fibrosis of lung"),
    "Infiltration": Code("409609008", "SCT", "Radiologic infiltrate of lung"),
    "Calcification": Code("18115005", "SCT", "Pathologic calcification"),
}
"""The twelve findings of `gateway.imaging.chest_xray`."""

PRESENCE = Code("121052", "DCM", "Presence of property")
PRESENT = Code("52101004", "SCT", "Present")  # CID 240
ABSENT = Code("272519000", "SCT", "Absent")
NOT_ASSESSED = own("not-assessed", "Not assessed by this model version")
CERTAINTY = Code("111012", "DCM", "Certainty of Finding")
PERCENT = Code("%", "UCUM", "Percent")

OVERALL = Code("111413", "DCM", "Overall Assessment")
RESULT_CODES = {
    "Normal": Code("17621005", "SCT", "Normal"),
    "Abnormal": Code("263654008", "SCT", "Abnormal"),
    "TB Presumptive": own("tb-presumptive", "TB presumptive"),
}
"""The overall results of `gateway.imaging.chest_xray`."""

CHEST_X_RAY = Code("399208008", "SCT", "Plain chest X-ray")
IMAGING = Code("363679005", "SCT", "Imaging")
COMMENT = Code("121106", "DCM", "Comment")
QUALITATIVE = Code("C0034375", "UMLS", "Qualitative Evaluations")  # TID 1500, row 12
IMAGING_STUDY = Code("18748-4", "LN", "Diagnostic imaging study")
SOURCE_IMAGE = Code("121322", "DCM", "Source image for image processing operation")  # CID 7202

VHS = own("vhs", "Vertebral heart scale")
VLAS = own("vlas", "Vertebral left atrial size")
VERTEBRAE = Code("{vertebrae}", "UCUM", "vertebrae")
"""A count of vertebral lengths: dimensionless, the braces are UCUM's annotation."""
VHS_RESULT = own("vhs-result", "Result of the VHS measurement")
CONFIDENCE = own("confidence", "Confidence of the model")
CONFIDENCE_CODES = {
    "optimal": own("optimal", "Optimal"),
    "good": own("good", "Good"),
    "review": own("review", "Low: review recommended"),
}
VHS_RESULT_CODES = {
    0: own("vhs-0", "Unexpected prediction state"),
    1: own("vhs-1", "VHS and VLAS measured, high confidence"),
    2: own("vhs-2", "VHS and VLAS measured, moderate confidence"),
    3: own("vhs-3", "VHS and VLAS measured, low confidence"),
    4: own("vhs-4", "VHS measured, VLAS not"),
    5: own("vhs-5", "Neither VHS nor VLAS measured"),
    6: own("vhs-6", "Rejected: not a valid radiograph"),
    7: own("vhs-7", "Perspective correction failed"),
}
"""The result codes of `gateway.imaging.vhs.result`."""
LANDMARK_CODES = {
    "heart_top": own("heart-top", "Heart, dorsal end of long axis (carina)"),
    "heart_bottom": own("heart-bottom", "Heart, apex: ventral end of long axis"),
    "heart_right": own("heart-right", "Heart, cranial end of short axis"),
    "heart_left": own("heart-left", "Heart, caudal end of short axis"),
    "VLAS": own("left-atrium", "Left atrium, caudal margin at caudal vena cava"),
    "Vertebra A": own("vertebra-a", "Fourth thoracic vertebra, cranial edge"),
    "Vertebra B": own("vertebra-b", "Ninth thoracic vertebra, caudal edge"),
}
"""The landmarks of `gateway.imaging.vhs.landmarks`, by their contract's names."""
