"""Draw the labels of one body on the asked grid."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from gateway.imaging.errors import WrongContent
from gateway.imaging.maisi.anatomy.abdomen import gallbladder, pelvic_parts, solid_organ_parts
from gateway.imaging.maisi.anatomy.body import Body, skin
from gateway.imaging.maisi.anatomy.chest import airway_parts, heart_parts, lung_parts, throat_parts
from gateway.imaging.maisi.anatomy.chest_bones import chest_bone_parts
from gateway.imaging.maisi.anatomy.gut import gut_parts
from gateway.imaging.maisi.anatomy.head import head_parts
from gateway.imaging.maisi.anatomy.lattice import PITCH_MM, Bend
from gateway.imaging.maisi.anatomy.lesions import cyst_parts, lesion_parts
from gateway.imaging.maisi.anatomy.parts import AIR, Part, part
from gateway.imaging.maisi.anatomy.pelvis import muscle_parts, pelvis_parts
from gateway.imaging.maisi.anatomy.spine import spine_parts
from gateway.imaging.maisi.anatomy.vessels import artery_parts, hepatic_vessels, vein_parts
from gateway.imaging.maisi.anatomy.view import View, choose_centre
from gateway.imaging.maisi.labels import BODY, HOSTS, LABELS, TUMOURS

STEPS_PER_MM = 8
"""Distances are kept as bytes of an eighth of a millimetre."""
SLAB_POINTS = 300_000
"""So many points of the lattice are worked on at once."""


def draw_anatomy(
    *,
    output_size: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    body_regions: Sequence[str],
    anatomy_names: Sequence[str],
    organ_sizes: Mapping[str, float],
    seed: int,
) -> np.ndarray:
    """Draw one body's labels.

    Parameters
    ----------
    output_size, spacing_mm
        Along x, y and z.
    body_regions
        Names of `labels.BODY_REGIONS`; the volume is centred on them. Not looked at with `organ_sizes`.
    anatomy_names
        What has to be in the volume. Tumours and cysts are drawn where they are named here.
    organ_sizes
        Of names in `labels.CONTROLLABLE`: 0 (smallest) to 1, or -1 for a body without it. They count as
        asked for, those to be left out apart.
    seed
        At least 0. The same arguments give the same bytes.

    Returns
    -------
    uint8 [x, y, z] in RAS+ axes: native label indices, 200 elsewhere in the body, 0 in air.

    Raises
    ------
    WrongContent
        Something that is asked for is not in the field of view, or a tumour's organ is to be left out.
    """
    removed = {name for name, size in organ_sizes.items() if size < 0}
    names = [name for name in dict.fromkeys((*anatomy_names, *organ_sizes)) if name not in removed]
    _require_hosts(names, removed)
    body = _draw_body(seed, organ_sizes, names, "head" in body_regions)
    parts = _parts(body, names, removed)
    lesions = {name: _lesion_size(body, name, organ_sizes) for name in names if name in TUMOURS}
    height = output_size[2] * spacing_mm[2] / float(body.scale[2])
    hosts = [*names, *(host for name in lesions for host in _host_of(name))]
    centre = choose_centre(parts, () if organ_sizes else body_regions, hosts, height)
    view = View(output_size, spacing_mm, centre, body.scale, body.turn_degrees)
    parts += lesion_parts(body, lesions, parts, view.low, view.high)
    labels = _paint(parts, body.bend, view)
    _require_all(labels, names)
    return labels


def _require_hosts(names: Sequence[str], removed: set[str]) -> None:
    for name in names:
        if name in TUMOURS and removed.issuperset(HOSTS[name]):
            raise WrongContent(f"{name} cannot be in a body whose {' and '.join(HOSTS[name])} is left out")


def _draw_body(seed: int, organ_sizes: Mapping[str, float], names: Sequence[str], is_head: bool) -> Body:
    sizes = {name: size for name, size in organ_sizes.items() if name not in TUMOURS}
    body = Body.draw(seed, sizes, arms_down=is_head)
    kept = {name: size for name, size in body.sizes.items() if size >= 0}
    return Body(**{**vars(body), "sizes": kept})


def _lesion_size(body: Body, name: str, organ_sizes: Mapping[str, float]) -> float:
    return organ_sizes.get(name, float(body.rng(f"size of {name}").uniform(0.1, 0.7)))


def _host_of(name: str) -> tuple[str, ...]:
    return {"hepatic tumor": ("liver",), "pancreatic tumor": ("pancreas",), "lung tumor": ("heart",)}.get(
        name, ()
    )


def _parts(body: Body, names: Sequence[str], removed: set[str]) -> list[Part]:
    """Give all parts but tumours, in the order in which they are painted."""
    parts = [
        part("body", skin(body)),
        *muscle_parts(body),
        *lung_parts(body),
        *solid_organ_parts(body),
        *gut_parts(body),
        *throat_parts(body),
        *heart_parts(body),
        *vein_parts(body),
    ]
    if "gallbladder" in body.sizes:
        parts.append(part("gallbladder", gallbladder(body)))
    parts += [
        *artery_parts(body),
        *airway_parts(body),
        *pelvic_parts(body),
        *pelvis_parts(body),
        *chest_bone_parts(body),
        *spine_parts(body),
        *head_parts(body),
        hepatic_vessels(body),
        *cyst_parts(body, names),
    ]
    return parts


@dataclass(frozen=True)
class _Sampled:
    """A part's distances on its box of the lattice."""

    part: Part
    start: np.ndarray
    field: np.ndarray
    """int8 [z, x, y], in eighths of a millimetre."""
    least: np.ndarray
    """The least of each slice, int8 [z]."""

    def slice_at(self, height: float) -> np.ndarray | None:
        """Give the distances at a height, float32 [x, y], or None where the part has none."""
        above = height / PITCH_MM - self.start[2]
        k = int(np.floor(above))
        if not -1 <= k < len(self.field):
            return None
        share = np.float32(above - k)
        low, high = max(k, 0), min(k + 1, len(self.field) - 1)
        if min(self.least[low], self.least[high]) > 0:
            return None
        return np.asarray(self.field[low] * (1 - share) + self.field[high] * share, np.float32)


def _sample(each: Part, bend: Bend, view: View) -> _Sampled | None:
    low = np.maximum(each.shape.low - Bend.MARGIN_MM - 2, view.low - 2)
    high = np.minimum(each.shape.high + Bend.MARGIN_MM + 2, view.high + 2)
    if (low >= high).any():
        return None
    start, stop = np.floor(low / PITCH_MM).astype(int), np.ceil(high / PITCH_MM).astype(int) + 1
    field = np.empty((stop[2] - start[2], stop[0] - start[0], stop[1] - start[1]), np.int8)
    deep = max(1, SLAB_POINTS // (field.shape[1] * field.shape[2]))
    for k in range(0, len(field), deep):
        first = np.array([start[0], start[1], start[2] + k])
        last = np.array([stop[0], stop[1], min(start[2] + k + deep, stop[2])])
        distance = each.shape.at(bend.points(first, last))
        field[k : k + deep] = np.clip(np.rint(distance * STEPS_PER_MM), -127, 127).transpose(2, 0, 1)
    return _Sampled(each, start, field, field.min((1, 2)))


def _paint(parts: Iterable[Part], bend: Bend, view: View) -> np.ndarray:
    sampled = [each for each in (_sample(each, bend, view) for each in parts) if each is not None]
    labels = np.zeros(view.output_size, np.uint8)
    matrix = view.in_plane()
    page = np.empty(view.output_size[:2], np.uint8)
    for k in range(view.output_size[2]):
        page[:] = AIR
        for each in sampled:
            distances = each.slice_at(view.template_z(k))
            if distances is not None:
                _paint_slice(page, each, distances, matrix)
        labels[:, :, k] = page
    return labels


def _paint_slice(page: np.ndarray, each: _Sampled, distances: np.ndarray, matrix: np.ndarray) -> None:
    """Paint where the distance is negative; `matrix` gives the template's x and y at the page's indices."""
    to_lattice = matrix / PITCH_MM
    to_lattice[:, 2] -= each.start[:2]
    box = _box(to_lattice, distances.shape, page.shape)
    if box is None:
        return
    (x0, y0), (x1, y1) = box
    shifted = to_lattice.copy()
    shifted[:, 2] += to_lattice[:, :2] @ (x0, y0)
    swapped = shifted[::-1][:, [1, 0, 2]]  # OpenCV's x is the second axis
    near = cv2.warpAffine(
        distances, swapped, (int(y1 - y0), int(x1 - x0)), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT, borderValue=(127.0,),
    )  # fmt: skip
    target = page[x0:x1, y0:y1]
    inside = near < 0
    if each.part.over is not None:
        inside &= np.isin(target, each.part.over)
    elif each.part.label != BODY:
        inside &= target != AIR
    target[inside] = each.part.label


def _box(
    to_lattice: np.ndarray, shape: tuple[int, ...], page: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Give the page's indices between which a patch of the lattice lies."""
    corners = np.array([(x, y) for x in (0, shape[0] - 1) for y in (0, shape[1] - 1)], float)
    places = np.linalg.solve(to_lattice[:, :2], (corners - to_lattice[:, 2]).T).T
    low = np.maximum(np.floor(places.min(0)).astype(int), 0)
    high = np.minimum(np.ceil(places.max(0)).astype(int) + 1, page)
    return None if (low >= high).any() else (low, high)


def _require_all(labels: np.ndarray, names: Sequence[str]) -> None:
    counts = np.zeros(256, np.int64)
    for page in labels:  # counting a whole volume at once would take eight times its memory
        counts += np.bincount(page.ravel(), minlength=256)
    if missing := [name for name in names if not counts[LABELS[name].index]]:
        raise WrongContent(
            "Cannot find body region with given anatomy list. Not in the field of view: " + ", ".join(missing)
        )
