import time
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pydicom
import pytest
from pydicom.uid import DigitalXRayImageStorageForPresentation

from tools.phantoms.chest_film import chest_film, chest_film_dicom

MODEL = Path(__file__).parents[2] / "model_repository/chest_xray_classifier/1/model.onnx"


def median(film: np.ndarray, x: float, y: float) -> float:
    """Give the median of a patch around a place, in shares of the film's sides."""
    rows, columns = film.shape
    row, column, half = int(y * rows), int(x * columns), rows // 50
    return float(np.median(film[row - half : row + half, column - half : column + half]))


def test_film_is_12_bit_and_uses_its_range():
    film = chest_film(0)
    assert film.shape == (1024, 1024)
    assert film.dtype == np.uint16
    assert film.max() <= 4095
    low, high = np.percentile(film, (1, 99))
    assert low < 400
    assert high > 3000


@pytest.mark.parametrize("seed", range(4))
def test_air_lungs_heart_and_abdomen_grow_brighter_in_this_order(seed):
    film = chest_film(seed, rows=256, columns=256)
    air, abdomen = median(film, 0.04, 0.04), median(film, 0.3, 0.92)
    lungs = [median(film, x, 0.4) for x in (0.3, 0.7)]
    heart = median(film, 0.55, 0.6)
    assert air < min(lungs)
    assert max(lungs) < 0.75 * heart
    assert heart < 1.1 * abdomen


@pytest.mark.parametrize("seed", range(4))
def test_right_dome_stands_higher(seed):
    film = chest_film(seed, rows=256, columns=256).astype(int)
    right, left = (film[150:, int(x * 256)] for x in (0.22, 0.78))
    edges = [np.argmax(np.diff(column[::4])) for column in (right, left)]
    assert edges[0] <= edges[1] + 1


@pytest.mark.parametrize("seed", range(4))
def test_the_heart_lies_more_to_the_left(seed):
    film = chest_film(seed, rows=256, columns=256)
    rows = film[145:165, 64:192]
    bright = (rows > 0.75 * np.percentile(film, 95)).mean(0)
    assert bright[64:].sum() > 1.1 * bright[:64].sum()


def test_the_same_seed_gives_the_same_film_and_another_another():
    first = chest_film(5, rows=128, columns=128)
    assert np.array_equal(first, chest_film(5, rows=128, columns=128))
    assert not np.array_equal(first, chest_film(6, rows=128, columns=128))


def test_lesion_brightens_one_upper_lobe_and_nothing_else():
    plain, ill = (chest_film(2, lesion=lesion).astype(float) for lesion in (False, True))
    change = ill - plain
    row, column = np.unravel_index(np.argmax(cv2.GaussianBlur(change, (0, 0), 10)), change.shape)
    assert 0.1 < row / 1024 < 0.35
    assert 0.2 < abs(column / 1024 - 0.5) + 0.1 < 0.4
    assert change.max() > 400
    assert abs(change[700:]).mean() < 20


@pytest.mark.parametrize(("rows", "columns"), [(200, 150), (150, 200), (64, 64), (2, 3)])
def test_any_size_can_be_drawn(rows, columns):
    assert chest_film(1, rows=rows, columns=columns, lesion=True).shape == (rows, columns)


def test_a_film_is_quick_to_draw():
    chest_film(0, rows=64, columns=64)
    started = time.process_time()
    chest_film(0)
    assert time.process_time() - started < 6  # 0.5 s of wall clock; busy machines take longer


@pytest.mark.parametrize("lesion", [False, True])
def test_the_chest_gate_lets_films_pass_with_margin(lesion):
    session = onnxruntime.InferenceSession(MODEL)
    side = session.get_inputs()[0].shape[-1]
    films = [chest_film(seed, rows=512, columns=512, lesion=lesion) / np.float32(4095) for seed in range(4)]
    images = np.stack([cv2.resize(film, (side, side), interpolation=cv2.INTER_AREA) for film in films])
    (logits,) = session.run(["chest_logit"], {"image": images[:, np.newaxis]})
    assert logits.min() > 1.5


def test_dicom_file_reads_back():
    data = chest_film_dicom(7, patient_id="P1", patient_name="Doe^Jane", rows=96, columns=80)
    dataset = pydicom.dcmread(BytesIO(data))
    assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
    assert dataset.SOPClassUID == DigitalXRayImageStorageForPresentation
    assert (dataset.PatientID, dataset.PatientName) == ("P1", "Doe^Jane")
    assert dataset.PatientSex in ("F", "M")
    assert 22 <= int(dataset.PatientAge[:3]) < 78
    assert (dataset.Modality, dataset.ViewPosition, dataset.BodyPartExamined) == ("DX", "PA", "CHEST")
    assert dataset.ImagerPixelSpacing[0] == pytest.approx(370 / 96)
    assert np.array_equal(dataset.pixel_array, chest_film(7, rows=96, columns=80))


def test_equal_arguments_give_equal_files_and_others_other_uids():
    first = chest_film_dicom(1, rows=32, columns=32)
    assert first == chest_film_dicom(1, rows=32, columns=32)
    uids = {
        pydicom.dcmread(BytesIO(data)).SOPInstanceUID
        for data in (
            first,
            chest_film_dicom(2, rows=32, columns=32),
            chest_film_dicom(1, rows=32, columns=32, lesion=True),
            chest_film_dicom(1, rows=32, columns=32, patient_id="Other"),
        )
    }
    assert len(uids) == 4
    assert all(uid.startswith("2.25.") and len(uid) <= 64 for uid in uids)


def test_values_keep_to_their_vr():
    pydicom.config.settings.reading_validation_mode = pydicom.config.RAISE
    try:
        dataset = pydicom.dcmread(BytesIO(chest_film_dicom(3, rows=32, columns=32)))
        assert len(list(dataset.iterall())) > 60
    finally:
        pydicom.config.settings.reading_validation_mode = pydicom.config.WARN
