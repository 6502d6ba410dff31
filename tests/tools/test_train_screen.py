"""The shipped corner network keeps its contract and its bars; what trains it is labelled truly."""

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest

from gateway.imaging.screen.quad import fault_of, jaccard, ordered
from gateway.imaging.screen.view import VIEW_PX
from gateway.imaging.vhs.folds import FOLDS
from gateway.imaging.vhs.network_input import INPUT_SIZE_PX, network_input
from tests.imaging.picture_files import jpeg, tiff
from tests.imaging.screen.drawn import CORNERS, screen
from tools.phantoms.screen_films import Film, direct_radiograph, exported, films
from tools.phantoms.screen_photo import screen_photo, turned
from tools.train.screen import augment, evaluate, pool, side_views

REPOSITORY = Path(__file__).parents[2] / "model_repository"
MODEL = REPOSITORY / "screen_corners" / "1"
SIDES_GRAPH = REPOSITORY / "screen_sides" / "1" / "sides.onnx"
SHARED = Path(__file__).parents[2].parent / "shared" / "data"
OUTPUTS = ["fold_corners", "fold_corner_peaks", "fold_screen"]
SEED = 2026  # the shipped weights were fitted and judged on scenes of other seeds

needs_weights = pytest.mark.skipif(not (MODEL / "model.onnx").exists(), reason="no weights are shipped yet")
needs_shared_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared films are not here")


@pytest.fixture(scope="module")
def bank() -> list[Film]:
    return films(SEED, 12)


@pytest.fixture(scope="module")
def screens() -> evaluate.Screens:
    return evaluate.Screens(MODEL / "model.onnx", SIDES_GRAPH)


@pytest.fixture(scope="module")
def judged(screens, bank) -> list[evaluate.Judged]:
    return evaluate.judged_photos(screens, SEED, 40, bank)


@needs_weights
def test_graph_has_the_names_types_and_shapes_of_the_contract():
    session = onnxruntime.InferenceSession(str(MODEL / "model.onnx"), providers=["CPUExecutionProvider"])
    inputs = {value.name: (value.type, value.shape[1:]) for value in session.get_inputs()}
    outputs = {value.name: (value.type, value.shape[1:]) for value in session.get_outputs()}
    assert inputs == {"letterbox": ("tensor(float)", [1, INPUT_SIZE_PX, INPUT_SIZE_PX])}
    assert outputs == {
        "fold_corners": ("tensor(float)", [FOLDS, 4, 2]),
        "fold_corner_peaks": ("tensor(float)", [FOLDS, 4]),
        "fold_screen": ("tensor(float)", [FOLDS]),
    }


@needs_weights
def test_graph_is_one_small_file_of_a_common_opset():
    model = onnx.load(str(MODEL / "model.onnx"), load_external_data=False)
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    assert {entry.version for entry in model.opset_import} == {17}
    assert (MODEL / "model.onnx").stat().st_size < 32 * 2**20


@needs_weights
def test_metadata_names_the_version_and_the_folds():
    document = json.loads((MODEL / "operating_points.json").read_text())
    assert document["model_version"].startswith("v")
    assert document["folds"] == FOLDS


@needs_weights
def test_folds_are_not_copies_of_each_other(screens, bank):
    photo = screen_photo(np.random.default_rng(SEED), bank[0])
    found = screens.found(evaluate.grey_of(photo.picture))
    for other in range(1, FOLDS):
        assert np.abs(found.corners[0] - found.corners[other]).max() > 1e-4
    assert ((found.peaks >= 0) & (found.peaks <= 1.001)).all()


@needs_weights
def test_keeps_its_bars_on_drawn_photos_of_other_seeds(judged):
    index = [each.jaccard for each in judged]
    # Wider than what was found, for so few photos; the model card tells that, and the aims.
    assert np.median(index) > 0.98
    assert np.mean(index) > 0.96
    assert np.percentile(index, 10) > 0.93
    assert np.mean([each.screen.is_photo for each in judged]) >= 0.95
    assert np.mean([each.screen.fault is None for each in judged]) >= 0.95


@needs_weights
def test_drawn_films_of_other_seeds_are_no_photos(screens, bank):
    rng = np.random.default_rng(SEED)
    drawn = [exported(rng, direct_radiograph(rng, bank)) for _ in range(100)]
    assert sum(screens.screen(picture).is_photo for picture in drawn) <= 2


@needs_weights
@needs_shared_data
def test_real_chest_films_are_no_photos(screens):
    paths = sorted((SHARED / "nih").glob("*.jpg"))[::4]
    pictures = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in paths]
    assert sum(screens.screen(picture).is_photo for picture in pictures) <= len(pictures) * 0.02


@needs_weights
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_exif_turns_a_photo_before_its_corners_are_ordered(screens, bank, orientation):
    from gateway.imaging.picture import read_picture

    photo = screen_photo(np.random.default_rng(11), bank[2], long_side_px=900, turn=False)
    quarters = {1: 0, 3: 2, 6: 1, 8: 3}[orientation]
    stored = jpeg(np.ascontiguousarray(np.rot90(photo.picture[..., ::-1], quarters)))
    segment = b"Exif\0\0" + tiff(orientation)
    data = stored[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + stored[2:]
    picture = read_picture(data).pixels
    assert picture.shape == photo.picture.shape[:2]
    screen = screens.screen(picture)
    diagonal = np.linalg.norm(np.ptp(photo.corners, axis=0))
    assert np.linalg.norm(screen.corners - photo.corners, axis=1).max() < 0.05 * diagonal


def test_squares_show_what_the_pipeline_shows():
    picture = np.random.default_rng(0).integers(0, 256, (300, 400), np.uint8)
    square = pool.square_of(picture)
    expected = cv2.resize(network_input(picture)[0], (256, 256), interpolation=cv2.INTER_AREA)
    assert np.abs(square / 255 - expected).max() < 0.003


def test_a_pool_holds_photos_and_others(bank):
    drawn = pool.render(SEED, 40, bank)
    assert 15 < drawn.screen.sum() < 36
    assert not drawn.corners[~drawn.screen].any()
    assert (np.ptp(drawn.corners[drawn.screen], axis=1) > 0.1).all()


def test_changes_carry_the_corners_along():
    """A white quadrilateral stays under its corners, whatever is done to the square."""
    corners = np.array([[60.0, 70], [190, 60], [200, 180], [70, 190]])
    square = np.zeros((256, 256), np.uint8)
    cv2.fillConvexPoly(square, np.round((corners - 0.5) * 16).astype(np.int32), (255,), cv2.LINE_AA, 4)
    one = pool.Pool(square[np.newaxis], (corners / 256)[np.newaxis].astype(np.float32), np.array([True]))
    for seed in range(40):
        changed = augment.batch(np.random.default_rng(seed), one, np.zeros(1, int))
        found = changed.corners[0] * 256
        assert np.allclose(ordered(found), found)
        inside = np.zeros((256, 256), np.uint8)
        cv2.fillConvexPoly(inside, np.round((found - 0.5) * 16).astype(np.int32), (1,), cv2.LINE_AA, 4)
        picture = changed.squares[0, 0]
        core = cv2.erode(inside, np.ones((9, 9))) > 0
        beyond = cv2.dilate(inside, np.ones((9, 9))) == 0
        assert np.median(picture[core]) > np.median(picture[beyond]) + 0.3


def grey_at(square: np.ndarray, side: int, along: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Read a view along a level side, which has an even number, or along an upright one."""
    along, across = along.astype(int), across.astype(int).clip(0, VIEW_PX - 1)
    return square[across, along] if side % 2 == 0 else square[along, across]


@pytest.mark.parametrize("seed", range(6))
def test_sides_are_labelled_where_a_view_shows_them(seed):
    """A bright film on a dark screen steps from dark to bright at each of the places."""
    rng = np.random.default_rng(seed)
    photos = side_views.Photos([screen()], CORNERS[np.newaxis], CORNERS[np.newaxis] + 9, np.array([True]))
    views = side_views.batch(rng, photos, np.zeros(4, int))
    assert ((views.sides >= 0).mean((1, 2)) > 0.35).all()
    for square, sides in zip(views.squares[:, 0], views.sides, strict=True):
        for side, places in enumerate(sides):
            along = (np.flatnonzero(places >= 0) + 0.5) * VIEW_PX / len(places)
            across = places[places >= 0]
            outwards = 4 if side in (1, 2) else -4
            inner, outer = (grey_at(square, side, along, across + shift) for shift in (-outwards, outwards))
            assert np.median(inner) > np.median(outer)


def test_places_beyond_a_side_are_labelled_absent():
    corners = np.array([[64.0, -10], [192, 30], [192, 200], [64, 200]])
    top, right, bottom, left = side_views.places_of(corners)
    assert (top[:16] == side_views.ABSENT).all()
    assert (top[16:24] == side_views.ABSENT).all()  # above the view
    assert top[47] == pytest.approx(30, abs=1)
    assert (right[8:49] == 192).all() and (left[:50] == 64).all()
    assert (bottom[16:48] == 200).all() and (bottom[48:] == side_views.ABSENT).all()


@pytest.mark.parametrize("seed", range(20))
def test_random_quadrilaterals_can_be_looked_through(seed):
    moved = side_views.jittered(np.random.default_rng(seed), CORNERS)
    assert fault_of(moved, 1200, 900) is None
    assert jaccard(moved, CORNERS) > 0.4


def test_a_turned_photo_is_ordered_by_place(bank):
    photo = screen_photo(np.random.default_rng(3), bank[0], turn=False)
    for quarters in range(4):
        assert np.array_equal(ordered(turned(photo, quarters).corners), turned(photo, quarters).corners)


@needs_weights
def test_restored_networks_give_what_their_graphs_gave():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from tools.train.restore import restore
    from tools.train.screen.networks import CornerNetwork, FiveFolds
    from tools.train.screen.side_network import ShippedSides, SideNetwork

    rng = np.random.default_rng(0)
    corners = FiveFolds([CornerNetwork() for _ in range(FOLDS)])
    for path, name, side, network in (
        (MODEL / "model.onnx", "letterbox", INPUT_SIZE_PX, corners),
        (SIDES_GRAPH, "view", VIEW_PX, ShippedSides(SideNetwork())),
    ):
        square = rng.random((1, 1, side, side)).astype(np.float32)
        expected = onnxruntime.InferenceSession(str(path)).run(None, {name: square})
        with torch.no_grad():
            outputs = restore(path, network)(torch.from_numpy(square))
        for given, wanted in zip(outputs, expected, strict=True):
            np.testing.assert_allclose(given.numpy(), wanted, atol=1e-4)


@pytest.mark.parametrize("go_on_from", [None, REPOSITORY], ids=["anew", "further"])
def test_a_short_training_writes_a_graph_of_the_same_contract(tmp_path, go_on_from):
    pytest.importorskip("torch", reason="torch is not installed")
    from tools.train.screen import training

    effort = training.Effort(photos=30, judged=3, start_steps=1, fold_steps=1, side_photos=12, side_steps=1)
    training.train(tmp_path / "out", seed=3, effort=effort, go_on_from=go_on_from)
    session = onnxruntime.InferenceSession(str(tmp_path / "out" / "model.onnx"))
    assert [value.name for value in session.get_outputs()] == OUTPUTS
    sides = onnxruntime.InferenceSession(str(tmp_path / "out" / "sides.onnx"))
    assert [value.name for value in sides.get_outputs()] == ["side_places", "view_screen"]
    assert json.loads((tmp_path / "out" / "figures.json").read_text())["figures"]["photos"] == 3


def test_names_the_extra_when_torch_is_missing(tmp_path, monkeypatch):
    import sys

    from tools.train.screen.training import train

    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(SystemExit, match=r"pip install 'radgate\[train\]'"):
        train(tmp_path / "out")


def test_direct_radiographs_differ(bank):
    rng = np.random.default_rng(0)
    shapes = {direct_radiograph(rng, bank).shape for _ in range(8)}
    assert len(shapes) > 3
