"""What the fields of a request must be to each other: the rules of the official bundle's `check_input`.

Where the original's documents differ the bundle decides, which is what can run: x and y of 128 are refused,
and so is a spacing in x and y beyond 3 mm. Bundle 1.0.0 has a least height, which earlier ones had not.
"""

from collections.abc import Iterator, Sequence

from gateway.apis.maisi.schema import (
    MAX_SPACING_MM,
    MAX_XY_SPACING_MM,
    MIN_SPACING_MM,
    XY_SIZES,
    Z_SIZES,
    Fault,
    Run,
    fault,
    shown,
    suggestion,
)
from gateway.imaging.maisi.labels import BODY_REGIONS, CONTROLLABLE, HOSTS, LABELS, TUMOURS

MIN_XY_MM, MIN_Z_MM = 256.0, 128.0
"""Least field of view."""
_AXES = "xyz"


def faults_of(run: Run, *, max_samples: int) -> list[Fault]:
    """Give all that is wrong with a request whose fields are right by themselves."""
    found = [*_samples(run, max_samples), *_size(run.output_size), *_spacing(run.spacing)]
    if not found:
        found += _field_of_view(run)
    found += _sizes(run) if run.controllable_anatomy_size else _names(run)
    return found + list(_outputs(run))


def _samples(run: Run, most: int) -> Iterator[Fault]:
    if run.num_output_samples > most:
        yield fault("num_output_samples", f"num_output_samples: at most {most} are made in one request.")


def _size(size: Sequence[int]) -> Iterator[Fault]:
    for axis, (value, allowed) in enumerate(zip(size, (XY_SIZES, XY_SIZES, Z_SIZES), strict=True)):
        if value not in allowed:
            message = f"output_size in {_AXES[axis]} is {value}; expected one of {_listed(allowed)}."
            yield fault("output_size", message, axis)
    if size[0] != size[1]:
        message = f"output_size in x and y must be equal; came {size[0]} in x and {size[1]} in y."
        yield fault("output_size", message, 1)


def _spacing(spacing: Sequence[float]) -> Iterator[Fault]:
    for axis, (value, most) in enumerate(
        zip(spacing, (MAX_XY_SPACING_MM, MAX_XY_SPACING_MM, MAX_SPACING_MM), strict=True)
    ):
        if not MIN_SPACING_MM <= value <= most:
            message = f"spacing in {_AXES[axis]} is {value:g} mm; expected {MIN_SPACING_MM} to {most} mm"
            limit = "" if value > MAX_SPACING_MM or value < MIN_SPACING_MM else ", the limit of the model"
            yield fault("spacing", f"{message}{limit}.", axis)
    if spacing[0] != spacing[1]:
        message = f"spacing in x and y must be equal; came {spacing[0]:g} in x and {spacing[1]:g} in y."
        yield fault("spacing", message, 1)


def _field_of_view(run: Run) -> Iterator[Fault]:
    for axis, least, sizes in ((0, MIN_XY_MM, XY_SIZES), (2, MIN_Z_MM, Z_SIZES)):
        size, spacing = run.output_size[axis], run.spacing[axis]
        if size * spacing < least:
            where = "x and y" if axis == 0 else "z"
            enough = [each for each in sizes if each * spacing >= least]
            larger = f", or an output_size in {where} of at least {enough[0]}" if enough else ""
            yield fault(
                "spacing",
                f"The field of view in {where} is {size} × {spacing:g} mm = {size * spacing:g} mm; at least "
                f"{least:g} mm are needed. Use a spacing in {where} of at least {least / size:g} mm{larger}.",
                axis,
            )


def _sizes(run: Run) -> Iterator[Fault]:
    """Check sizes; where there are any, regions and anatomy do not count and are not looked at."""
    pairs = run.controllable_anatomy_size
    names = [name for name, _ in pairs]
    for index, (name, size) in enumerate(pairs):
        if name not in CONTROLLABLE:
            hint = suggestion(name, CONTROLLABLE) or f" Expected one of {_listed(CONTROLLABLE)}."
            message = f"The size of {shown(name)} cannot be controlled.{hint}"
            yield fault("controllable_anatomy_size", message, index, 0)
        if size != -1 and not 0 <= size <= 1:
            message = f"The size of {shown(name)} is {size:g}; expected 0 to 1, or -1 to remove it."
            yield fault("controllable_anatomy_size", message, index, 1)
        if name in names[:index]:
            yield fault("controllable_anatomy_size", f"The size of {shown(name)} is given twice.", index, 0)
    yield from _homeless(pairs)
    tumours = [name for name in dict.fromkeys(names) if name in TUMOURS]
    if len(tumours) > 1:
        message = f"At most one tumour can be controlled; came {_listed(tumours)}."
        yield fault("controllable_anatomy_size", message)


def _homeless(pairs: Sequence[tuple[str, float]]) -> Iterator[Fault]:
    """Find tumours in an organ that is to be removed, which the original takes, and then cannot make."""
    removed = {name for name, size in pairs if size == -1}
    for index, (name, size) in enumerate(pairs):
        if size != -1 and name in TUMOURS and removed.issuperset(HOSTS[name]):
            organ = _listed(HOSTS[name])
            message = (
                f"{shown(name)} grows in the {organ}, which is to be removed (size -1). "
                f"Give the {organ} a size of 0 to 1, or leave one of the two out."
            )
            yield fault("controllable_anatomy_size", message, index, 0)


def _names(run: Run) -> Iterator[Fault]:
    if not run.body_region:
        yield fault("body_region", f"body_region is empty; expected some of {_listed(BODY_REGIONS)}.")
    for index, name in enumerate(run.body_region):
        if name not in BODY_REGIONS:
            hint = suggestion(name, BODY_REGIONS) or f" Expected one of {_listed(BODY_REGIONS)}."
            yield fault("body_region", f"There is no body region {shown(name)}.{hint}", index)
    for index, name in enumerate(run.anatomy_list):
        if name not in LABELS:
            hint = suggestion(name, list(LABELS)) or " The names are listed by GET /v1/maisi/info."
            yield fault("anatomy_list", f"There is no anatomy {shown(name)}.{hint}", index)


def _outputs(run: Run) -> Iterator[Fault]:
    if run.pre_signed_url and run.local_working_dir:
        message = "Either pre_signed_url or local_working_dir can be given, not both."
        yield fault("local_working_dir", message)
    if run.label_output_ext == ".dcm" and run.label_values == "positional" and not run.anatomy:
        message = "label_output_ext .dcm needs at least one name in anatomy_list: a SEG has segments."
        yield fault("anatomy_list", message)


def _listed(words: Sequence[object]) -> str:
    return ", ".join(map(str, words))
