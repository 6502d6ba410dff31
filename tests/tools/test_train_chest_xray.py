"""The shipped classifier keeps its contract, its gate keeps its bars, and composites stay in their masks."""

import io
import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest

from gateway.imaging.chest_xray import FINDINGS, OperatingPoints
from gateway.imaging.dicom import read_image
from gateway.imaging.radiograph import render_radiograph, square_input
from tools.phantoms.chest_lesions import LESIONS, draw
from tools.phantoms.lung_fields import Lungs, lung_fields
from tools.phantoms.radiographs import other_image
from tools.train.chest_xray.films import folds
from tools.train.chest_xray.metrics import auc, threshold_at_specificity

MODEL = Path(__file__).parents[2] / "model_repository" / "chest_xray_classifier" / "1"
SHARED = Path(__file__).parents[2].parent / "shared" / "data"
SIZE = 256

needs_shared_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared films are not here")


@pytest.fixture(scope="module")
def classifier() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        str(MODEL / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )


def chest_logits(classifier: onnxruntime.InferenceSession, films: list[np.ndarray]) -> np.ndarray:
    batch = np.stack([square_input(film, SIZE) for film in films])
    return np.concatenate(
        [
            classifier.run(["chest_logit"], {"image": part})[0][:, 0]
            for part in np.array_split(batch, 1 + len(batch) // 64)
        ]
    )


def decoded(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)


def thumbnails(label: str, count: int) -> list[np.ndarray]:
    """Give a seeded sample of the thumbnails that training keeps apart (seed 0 of the shipped run)."""
    generator = np.random.default_rng(0)
    with zipfile.ZipFile(SHARED / "mednist" / "mednist_subset.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpeg"))
        for each in ("CXR", "AbdomenCT", "BreastMRI", "ChestCT", "Hand", "HeadCT"):
            own = [name for name in names if f"{each}/" in name]
            held_out = generator.permutation(len(own)) < len(own) // 4
            if each == label:
                chosen = [name for name, held in zip(own, held_out, strict=True) if held]
                return [decoded(archive.read(name)) for name in chosen[:: max(len(chosen) // count, 1)]]
    raise AssertionError(label)


def test_graph_has_the_names_types_and_shapes_of_the_contract(classifier):
    inputs = {value.name: (value.type, value.shape[1:]) for value in classifier.get_inputs()}
    outputs = {value.name: (value.type, value.shape[1:]) for value in classifier.get_outputs()}
    assert inputs == {"image": ("tensor(float)", [1, SIZE, SIZE])}
    assert outputs == {
        "logits": ("tensor(float)", [12]),
        "activation_maps": ("tensor(float)", [12, 16, 16]),
        "chest_logit": ("tensor(float)", [1]),
    }


def test_graph_is_one_small_file_of_a_common_opset():
    model = onnx.load(str(MODEL / "model.onnx"), load_external_data=False)
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    assert {entry.version for entry in model.opset_import} == {17}
    assert (MODEL / "model.onnx").stat().st_size < 8 * 2**20


@pytest.mark.parametrize("count", [1, 3])
def test_logits_are_the_means_of_the_maps(classifier, count):
    image = np.random.default_rng(0).random((count, 1, SIZE, SIZE), np.float32)
    logits, maps, chest = classifier.run(["logits", "activation_maps", "chest_logit"], {"image": image})
    assert logits.shape == (count, 12)
    assert chest.shape == (count, 1)
    np.testing.assert_allclose(logits, maps.mean((2, 3)), atol=1e-5)


def test_a_film_is_judged_alike_alone_and_in_a_batch(classifier):
    image = np.random.default_rng(1).random((4, 1, SIZE, SIZE), np.float32)
    together = classifier.run(["logits", "chest_logit"], {"image": image})
    alone = classifier.run(["logits", "chest_logit"], {"image": image[2:3]})
    for batch, single in zip(together, alone, strict=True):
        np.testing.assert_allclose(batch[2:3], single, atol=1e-4)


def test_operating_points_cover_the_findings_in_order():
    document = json.loads((MODEL / "operating_points.json").read_text())
    assert list(document["findings"]) == list(FINDINGS)
    assert all(0 < point.threshold < 1 for point in OperatingPoints.from_json(document).points)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_refuses_a_blank_film(classifier, value):
    assert chest_logits(classifier, [np.full((300, 200), value, np.uint8)]) < 0


def test_refuses_drawings_of_other_body_parts(classifier):
    generator = np.random.default_rng(2026)
    logits = chest_logits(classifier, [other_image(generator) for _ in range(200)])
    assert (logits <= 0).mean() >= 0.98


@needs_shared_data
@pytest.mark.parametrize(
    ("name", "is_chest"),
    [
        ("rsna_chest_pa.dcm", True),
        ("wg04_rg1_chest_j2k.dcm", True),
        ("wg04_rg1_chest_jpegls.dcm", True),
        ("wg04_rg2_hip_jlsl.dcm", False),
        ("wg04_rg2_hip_rle.dcm", False),
        ("wg04_mg1_breast_j2k.dcm", False),
        ("rsna_chest_pa_as_monochrome1.dcm", False),  # comes out inverted, which is no usable film
    ],
)
def test_passes_chest_films_only(classifier, name, is_chest):
    film = render_radiograph(read_image((SHARED / "dicom" / name).read_bytes())).pixels
    assert (chest_logits(classifier, [film])[0] > 0) == is_chest


@needs_shared_data
def test_passes_held_out_chest_thumbnails(classifier):
    assert (chest_logits(classifier, thumbnails("CXR", 400)) > 0).mean() >= 0.99


@needs_shared_data
@pytest.mark.parametrize("label", ["AbdomenCT", "BreastMRI", "ChestCT", "Hand", "HeadCT"])
def test_refuses_held_out_thumbnails_of_other_kinds(classifier, label):
    assert (chest_logits(classifier, thumbnails(label, 150)) <= 0).mean() >= 0.98


@needs_shared_data
def test_passes_full_size_films_and_refuses_them_inverted_or_on_their_side(classifier):
    paths = sorted((SHARED / "nih").glob("*.jpg"))[::4]
    films = [decoded(path.read_bytes()) for path in paths]
    assert (chest_logits(classifier, films) > 0).mean() >= 0.98
    assert (chest_logits(classifier, [255 - film for film in films]) <= 0).mean() >= 0.98
    assert (chest_logits(classifier, [np.rot90(film).copy() for film in films]) <= 0).mean() >= 0.98


def drawn_chest() -> np.ndarray:
    """Draw two dark lungs in a bright body."""
    film = np.full((SIZE, SIZE), 30, np.uint8)
    cv2.ellipse(film, (128, 140), (105, 130), 0, 0, 360, 190, -1)
    for x in (80, 176):
        cv2.ellipse(film, (x, 115), (32, 70), 0, 0, 360, 80, -1)
    return cv2.GaussianBlur(film, (0, 0), 2)


@pytest.fixture(scope="module")
def lungs() -> Lungs:
    found = lung_fields(drawn_chest())
    assert found is not None
    return found


def test_finds_the_lungs_on_either_side(lungs):
    assert lungs.left[115, 80]
    assert lungs.right[115, 176]
    assert not lungs.both[115, 128]


def test_finds_no_lungs_on_a_blank_film():
    assert lung_fields(np.full((SIZE, SIZE), 90, np.uint8)) is None


@pytest.mark.parametrize("finding", LESIONS)
def test_a_seed_draws_the_same_lesion_again(lungs, finding):
    first, again, other = (draw(finding, drawn_chest(), lungs, seed) for seed in (7, 7, 8))
    assert (first.pixels == again.pixels).all()
    assert (first.pixels != other.pixels).any()


@pytest.mark.parametrize("finding", LESIONS)
@pytest.mark.parametrize("seed", range(4))
def test_a_lesion_changes_nothing_outside_its_mask(lungs, finding, seed):
    film = drawn_chest()
    composite = draw(finding, film, lungs, seed)
    assert composite.pixels.dtype == np.uint8
    assert composite.mask.any()
    assert (composite.pixels[composite.mask] != film[composite.mask]).any()
    assert (composite.pixels[~composite.mask] == film[~composite.mask]).all()


def test_area_under_the_curve_counts_pairs_in_order():
    # Of the four pairs of a positive and a negative, two are in order and one is a tie.
    scores = np.array([0.9, 0.4, 0.5, 0.4])
    assert auc(scores, np.array([True, True, False, False])) == pytest.approx((1 + 1 + 0 + 0.5) / 4)


def test_area_under_the_curve_needs_both_classes():
    assert np.isnan(auc(np.array([0.1, 0.2]), np.array([False, False])))


def test_threshold_leaves_the_wanted_share_of_negatives_below():
    probabilities = np.linspace(0.01, 0.99, 99)
    threshold = threshold_at_specificity(probabilities, np.zeros(99, bool), 0.9)
    assert (probabilities < threshold).mean() == pytest.approx(0.9, abs=0.02)


def test_folds_share_out_rare_labels():
    labels = np.zeros((50, 2), bool)
    labels[:10, 0] = labels[5:30, 1] = True
    dealt = folds(labels, 5, seed=0)
    assert np.bincount(dealt[labels[:, 0]]).tolist() == [2, 2, 2, 2, 2]
    assert np.bincount(dealt).tolist() == [10, 10, 10, 10, 10]


def write_data(folder: Path) -> None:
    """Write twenty drawn films with labels, and a few thumbnails of each class."""
    generator = np.random.default_rng(0)
    (folder / "nih").mkdir()
    (folder / "mednist").mkdir()
    chances = ["Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia"]
    chances += [
        "Pneumothorax",
        "Consolidation",
        "Edema",
        "Emphysema",
        "Fibrosis",
        "Pleural_Thickening",
        "Hernia",
    ]
    lines = [",".join(["image", "labels", "view", *(f"prob_{name}" for name in chances)])]
    for index in range(40):
        name = f"{index}.jpg"
        cv2.imwrite(str(folder / "nih" / name), drawn_chest())
        label = "No Finding" if index % 2 else chances[(index // 2) % len(chances)]
        lines.append(",".join([name, label, "PA", *(f"{p:.3f}" for p in generator.uniform(0.01, 0.5, 14))]))
    (folder / "nih" / "labels.csv").write_text("\n".join(lines))
    with zipfile.ZipFile(folder / "mednist" / "mednist_subset.zip", "w") as archive:
        for label in ("CXR", "AbdomenCT", "BreastMRI", "ChestCT", "Hand", "HeadCT"):
            for index in range(8):
                film = drawn_chest() if label == "CXR" else other_image(generator)
                data = cv2.imencode(".jpg", cv2.resize(film, (64, 64), interpolation=cv2.INTER_AREA))[1]
                archive.writestr(f"{label}/{index}.jpeg", io.BytesIO(data.tobytes()).getvalue())


@pytest.mark.filterwarnings("default")
def test_a_short_training_writes_a_graph_of_the_same_contract(tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="torch is not installed")
    from tools.train.chest_xray import gate, gate_figures, training

    write_data(tmp_path)
    monkeypatch.setattr(gate_figures, "DRAWINGS", 8)
    monkeypatch.setattr(gate, "EPOCH_IMAGES", 128)
    monkeypatch.setattr(gate, "ONE_CLASS_IMAGES", 128)
    effort = training.Effort(pretrain_steps=2, gate_epochs=1)
    training.train(tmp_path, tmp_path / "out", seed=3, effort=effort)
    session = onnxruntime.InferenceSession(str(tmp_path / "out" / "model.onnx"))
    assert [value.name for value in session.get_outputs()] == ["logits", "activation_maps", "chest_logit"]
    assert list(json.loads((tmp_path / "out" / "operating_points.json").read_text())["findings"]) == list(
        FINDINGS
    )


def test_names_the_extra_when_torch_is_missing(tmp_path, monkeypatch):
    import sys

    from tools.train.chest_xray.training import train

    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(SystemExit, match=r"pip install 'radgate\[train\]'"):
        train(tmp_path, tmp_path / "out")
