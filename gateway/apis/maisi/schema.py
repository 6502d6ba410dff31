"""The body of `POST /v1/maisi/run`: its fields, their ranges and defaults, and what is said of wrong ones.

Faults are pydantic's list of `{"loc", "msg", "type"}`, as the original gives them. What the fields
must be to each other is in `rules.py`.
"""

import difflib
import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from gateway.errors import UnprocessableRequest

MAX_BODY_BYTES = 256 * 1024
MAX_SEED = 2**53 - 1
"""The largest whole number that every JSON parser reads as it is."""
MAX_STEPS = 1000
XY_SIZES = (256, 384, 512)
Z_SIZES = (128, 256, 384, 512, 640, 768)
MIN_SPACING_MM, MAX_SPACING_MM, MAX_XY_SPACING_MM = 0.5, 5.0, 3.0
MAX_SIZES = 10

Extension = Literal[".nii.gz", ".nii", ".nrrd", ".dcm"]
LabelValues = Literal["positional", "native"]
Fault = dict[str, Any]
Whole = Annotated[int, Field(strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Text = Annotated[str, Field(strict=True)]


class InvalidRun(UnprocessableRequest):
    """The request cannot be met; `faults` says why, a fault each."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(" ".join(str(each["msg"]) for each in faults))
        self.faults = list(faults)


class Run(BaseModel):
    """What is asked for. The last five fields are not of the original's contract."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    num_output_samples: Annotated[Whole, Field(ge=1)]
    body_region: list[Text]
    anatomy_list: list[Text] = ["liver"]
    output_size: Annotated[list[Whole], Field(min_length=3, max_length=3)] = [512, 512, 512]
    spacing: Annotated[list[Number], Field(min_length=3, max_length=3)] = [1.0, 1.0, 1.0]
    controllable_anatomy_size: Annotated[list[tuple[Text, Number]], Field(max_length=MAX_SIZES)] = []
    pre_signed_url: Text = ""
    local_working_dir: Text = ""
    image_output_ext: Extension = ".nii.gz"
    label_output_ext: Extension = ".nii.gz"
    seed: Annotated[Whole, Field(ge=0, le=MAX_SEED)] | None = None
    num_inference_steps: Annotated[Whole, Field(ge=1, le=MAX_STEPS)] | None = None
    label_values: LabelValues = "positional"
    sidecar: Annotated[bool, Field(strict=True)] = False

    @field_validator("*", mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any, info: ValidationInfo) -> Any:
        field = cls.model_fields[info.field_name or ""]
        return field.get_default() if value is None and not field.is_required() else value

    @property
    def anatomy(self) -> list[str]:
        """What the label file is about, in the order of its values; sizes take the place of the list."""
        return [name for name, _ in self.controllable_anatomy_size] or self.anatomy_list


def parse(body: bytes) -> Run:
    """Read a body, by itself: types and ranges.

    Raises
    ------
    InvalidRun
    """
    fields = _object(body)
    faults = _misspelt(fields)
    try:
        run = Run.model_validate(fields)
    except ValidationError as error:
        raise InvalidRun([*faults, *map(_fault, error.errors(include_url=False))]) from None
    if faults:
        raise InvalidRun(faults)
    return run


def fault(field: str, message: str, *where: int, kind: str = "value_error") -> Fault:
    """Say that a field, or what stands in it at an index, is wrong."""
    return {"loc": ["body", field, *where], "msg": message, "type": kind}


def suggestion(word: str, words: Sequence[str]) -> str:
    """Ask whether a similar word was meant; nothing where none is similar."""
    close = difflib.get_close_matches(word.lower(), words, n=3, cutoff=0.6)
    inside = [each for each in words if word and word.lower() in each.split()]
    named = [f"'{each}'" for each in dict.fromkeys([*close, *inside][:5])]
    return f" Did you mean {' or '.join(named)}?" if named else ""


def shown(value: Any) -> str:
    """Repeat a caller's value in a message, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}…"


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        message = "The body is not valid JSON."
        raise InvalidRun([{"loc": ["body"], "msg": message, "type": "json_invalid"}]) from None
    if not isinstance(value, dict):
        message = "The body must be a JSON object."
        raise InvalidRun([{"loc": ["body"], "msg": message, "type": "model_attributes_type"}])
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is Python's word, not JSON's")


def _misspelt(fields: dict[str, Any]) -> list[Fault]:
    """Name unknown fields that look like known ones; other unknown ones are ignored, as by the original."""
    known = list(Run.model_fields)
    strange = [name for name in fields if name not in known]
    return [
        fault(name[:100], f"There is no field {shown(name)}.{hint}", kind="extra_forbidden")
        for name in strange
        if (hint := suggestion(name, [each for each in known if each not in fields]))
    ]


_EXPECTED = {
    "controllable_anatomy_size": 'a list of up to 10 pairs [anatomy, size], such as [["liver", 0.5]]',
    "output_size": "three whole numbers, x, y and z, such as [256, 256, 128]",
    "spacing": "three numbers in mm, x, y and z, such as [1.5, 1.5, 1.5]",
    "anatomy_list": 'a list of names, such as ["liver", "spleen"]',
    "body_region": 'a list of regions, such as ["abdomen"]',
}


def _fault(error: Any) -> Fault:
    field = str(error["loc"][0])
    message = f"{'.'.join(map(str, error['loc']))}: {error['msg']}"
    expected = f"; expected {_EXPECTED[field]}" if field in _EXPECTED and error["type"] != "missing" else ""
    return {"loc": ["body", *error["loc"]], "msg": f"{message}{expected}.", "type": error["type"]}
