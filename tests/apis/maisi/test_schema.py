"""What is accepted and what is not: the table of the official bundle's own checks."""

import json

import pytest

from gateway.apis.maisi.rules import faults_of
from gateway.apis.maisi.schema import InvalidRun, Run, parse

BASE = {"num_output_samples": 1, "body_region": ["abdomen"]}


def read(**fields) -> Run:
    return parse(json.dumps({**BASE, **fields}).encode())


def faults(**fields) -> list:
    try:
        return faults_of(read(**fields), max_samples=100)
    except InvalidRun as error:
        return error.faults


def message(**fields) -> str:
    (found,) = faults(**fields)
    return found["msg"]


SMALL = {"output_size": [256, 256, 128], "spacing": [1.5, 1.5, 1.5]}
SIZES = "controllable_anatomy_size"
HEPATIC = [["hepatic tumor", 0.3], ["liver", 0.5]]


@pytest.mark.parametrize(
    "fields",
    [
        {"output_size": [256, 256, 256], "anatomy_list": ["liver"]},  # spacing 1 mm
        {**SMALL, "anatomy_list": ["bone lesion"]},
        {
            "body_region": ["chest"],
            "anatomy_list": ["liver"],
            SIZES: HEPATIC,
            "output_size": [512, 512, 512],
            "spacing": [1.5, 1.5, 2],
        },
        # Sizes take the place of region and anatomy, which are not looked at then.
        {"body_region": ["head_typo"], "anatomy_list": ["no"], SIZES: HEPATIC},
        {"body_region": [], SIZES: HEPATIC},
        {"body_region": ["head"], "anatomy_list": ["colon cancer primaries"]},
        {"image_output_ext": ".dcm", "label_output_ext": ".nrrd"},
        {"anatomy_list": []},
        {SIZES: [["liver", -1]]},
        {SIZES: [["liver", 0], ["pancreas", 1]]},
        {"pre_signed_url": "", "local_working_dir": None},
        {"pre_signed_url": None, "seed": None, "num_inference_steps": None, "anatomy_list": None},
        {"spacing": [1, 1, 1], "modality": "CT"},  # whole numbers, and a field that nobody knows
        # The original's own recommendations.
        {
            "body_region": ["chest", "abdomen"],
            "output_size": [512, 512, 128],
            "spacing": [0.781, 0.781, 2.981],
        },
        {"body_region": ["chest"], "output_size": [512, 512, 128], "spacing": [0.684, 0.684, 2.422]},
        {"body_region": ["lower"], "output_size": [512, 512, 384], "spacing": [0.839, 0.839, 0.728]},
        {"body_region": ["abdomen"], "output_size": [512, 512, 128], "spacing": [0.723, 0.723, 1.182]},
        {"body_region": ["head", "chest"], "output_size": [512, 512, 128], "spacing": [0.645, 0.645, 2.219]},
        {
            "body_region": ["head", "chest", "abdomen", "lower"],
            "output_size": [512, 512, 384],
            "spacing": [1.367, 1.367, 4.603],
        },
    ],
)
def test_accepts(fields):
    assert faults(**fields) == []


@pytest.mark.parametrize(
    ("fields", "loc", "said"),
    [
        ({"body_region": ["head_typo"]}, ["body_region", 0], "Did you mean 'head'?"),
        ({"body_region": ["Chest"]}, ["body_region", 0], "'chest'"),
        ({"body_region": []}, ["body_region"], "is empty"),
        ({"anatomy_list": ["brain_typo"]}, ["anatomy_list", 0], "Did you mean 'brain'?"),
        ({"anatomy_list": ["liver", "lung"]}, ["anatomy_list", 1], "'lung tumor'"),
        ({"anatomy_list": ["left clavicle"]}, ["anatomy_list", 0], "'left clavicula'"),
        ({"anatomy_list": ["dummy1"]}, ["anatomy_list", 0], "There is no anatomy"),
        ({"output_size": [256, 256, 177]}, ["output_size", 2], "in z is 177; expected one of 128, 256, 384"),
        ({SIZES: [["liver", 0.5], ["liver", 0.4]]}, [SIZES, 1, 0], "twice"),
        ({SIZES: [["liver", 1.2]]}, [SIZES, 0, 1], "0 to 1, or -1"),
        ({SIZES: [["liver", -0.5]]}, [SIZES, 0, 1], "0 to 1, or -1"),
        ({SIZES: [["heart", 0.5]]}, [SIZES, 0, 0], "cannot be controlled"),
        (
            {SIZES: [["hepatic tumor", 0.3], ["bone lesion", 0.5]]},
            [SIZES],
            "At most one tumour",
        ),
        (
            {SIZES: [["liver", -1], ["hepatic tumor", 0.3]]},
            [SIZES, 1, 0],
            "grows in the liver, which is to be removed (size -1). Give the liver a size of 0 to 1",
        ),
        (
            {"output_size": [256, 256, 256], "spacing": [0.9, 0.9, 1]},
            ["spacing", 0],
            "256 × 0.9 mm = 230.4 mm; at least 256 mm are needed. Use a spacing in x and y of at least 1 mm, "
            "or an output_size in x and y of at least 384.",
        ),
        (
            {"output_size": [256, 256, 128], "spacing": [1, 1, 0.9]},
            ["spacing", 2],
            "Use a spacing in z of at least 1 mm, or an output_size in z of at least 256.",
        ),
        ({"spacing": [1.0, 1.1, 1.0]}, ["spacing", 1], "must be equal; came 1 in x and 1.1 in y"),
        ({"spacing": [1, 1, 5.1]}, ["spacing", 2], "expected 0.5 to 5.0 mm."),
        ({"num_output_samples": 101}, ["num_output_samples"], "at most 100"),
        ({"pre_signed_url": "https://x/y", "local_working_dir": "/x"}, ["local_working_dir"], "not both"),
        ({"anatomy_list": [], "label_output_ext": ".dcm"}, ["anatomy_list"], "at least one"),
        ({"anatomy_lists": ["liver"]}, ["anatomy_lists"], "Did you mean 'anatomy_list'?"),
    ],
)  # fmt: skip
def test_refuses_with_the_field_and_what_was_expected(fields, loc, said):
    (found,) = faults(**fields)
    assert found["loc"] == ["body", *loc]
    assert said in found["msg"]


def test_x_and_y_must_be_equal():
    found = faults(output_size=[256, 128, 256])
    assert [each["loc"] for each in found] == [["body", "output_size", 1]] * 2
    assert "must be equal; came 256 in x and 128 in y" in found[1]["msg"]


def test_x_and_y_of_128_are_documented_and_cannot_run():
    found = faults(output_size=[128, 128, 256], spacing=[2, 2, 1])
    assert [each["msg"] for each in found] == [
        f"output_size in {axis} is 128; expected one of 256, 384, 512." for axis in "xy"
    ]


def test_the_documented_range_of_spacing_is_wider_than_the_models():
    found = faults(spacing=[3.5, 3.5, 1])
    assert [each["loc"][-1] for each in found] == [0, 1]
    assert "expected 0.5 to 3.0 mm, the limit of the model" in found[0]["msg"]


@pytest.mark.parametrize(
    ("fields", "loc", "kind"),
    [
        ({"num_output_samples": "1"}, ["num_output_samples"], "int_type"),
        ({"num_output_samples": True}, ["num_output_samples"], "int_type"),
        ({"num_output_samples": 0}, ["num_output_samples"], "greater_than_equal"),
        ({"num_output_samples": None}, ["num_output_samples"], "int_type"),
        ({"body_region": "abdomen"}, ["body_region"], "list_type"),
        ({"body_region": [1]}, ["body_region", 0], "string_type"),
        ({"output_size": [256, 256]}, ["output_size"], "too_short"),
        ({"output_size": [256, 256, 128, 1]}, ["output_size"], "too_long"),
        ({"output_size": [256.5, 256, 128]}, ["output_size", 0], "int_type"),
        ({"spacing": ["1", 1, 1]}, ["spacing", 0], "float_type"),
        ({SIZES: [["liver"]]}, [SIZES, 0, 1], "missing"),
        ({SIZES: [["liver", 0.5]] * 11}, [SIZES], "too_long"),
        ({"image_output_ext": ".mha"}, ["image_output_ext"], "literal_error"),
        ({"label_output_ext": "nii.gz"}, ["label_output_ext"], "literal_error"),
        ({"seed": -1}, ["seed"], "greater_than_equal"),
        ({"num_inference_steps": 0}, ["num_inference_steps"], "greater_than_equal"),
        ({"num_inference_steps": 1001}, ["num_inference_steps"], "less_than_equal"),
        ({"pre_signed_url": 5}, ["pre_signed_url"], "string_type"),
    ],
)
def test_refuses_types_and_ranges(fields, loc, kind):
    found = faults(**fields)
    assert [(each["loc"], each["type"]) for each in found] == [(["body", *loc], kind)]
    assert set(found[0]) == {"loc", "msg", "type"}


@pytest.mark.parametrize("missing", ["num_output_samples", "body_region"])
def test_both_required_fields_are_required(missing):
    body = {name: value for name, value in BASE.items() if name != missing}
    with pytest.raises(InvalidRun) as raised:
        parse(json.dumps(body).encode())
    (found,) = raised.value.faults
    assert (found["loc"], found["type"]) == (["body", missing], "missing")


@pytest.mark.parametrize("body", [b"", b"{", b"NaN", b'{"spacing": [NaN, 1, 1]}', b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_said_to_be_none(body):
    with pytest.raises(InvalidRun) as raised:
        parse(body)
    assert raised.value.faults[0]["type"] == "json_invalid"


def test_a_list_is_no_request():
    with pytest.raises(InvalidRun, match="must be a JSON object"):
        parse(b"[]")


def test_has_the_bundles_defaults():
    run = read()
    assert (run.anatomy_list, run.output_size, run.spacing) == (["liver"], [512, 512, 512], [1, 1, 1])
    assert (run.image_output_ext, run.label_output_ext) == (".nii.gz", ".nii.gz")
    assert (run.controllable_anatomy_size, run.pre_signed_url, run.local_working_dir) == ([], "", "")


def test_sizes_take_the_place_of_the_anatomy_list():
    assert read(anatomy_list=["spleen"], controllable_anatomy_size=HEPATIC).anatomy == [
        "hepatic tumor",
        "liver",
    ]


def test_names_every_fault_at_once():
    found = faults(output_size=[256, 256, 177], body_region=["hed"], anatomy_list=["livre"])
    assert [each["loc"][1] for each in found] == ["output_size", "body_region", "anatomy_list"]
