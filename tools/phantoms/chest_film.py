"""A drawn chest radiograph, for machines that have no real one: X-rays through summed thicknesses."""

import uuid
from io import BytesIO

import cv2
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from tools.phantoms import chest_anatomy as anatomy
from tools.phantoms.chest_anatomy import Build, Grid, blur, clouds
from tools.phantoms.chest_bones import bones, vessels

TISSUE_PER_CM = 0.19
"""Attenuation of water at about 65 keV, the mean energy of a chest tube's beam at 120 kV."""
BONE_PER_CM = 0.42
"""What a centimetre of compact bone adds to the tissue it lies in."""
LEAD = 5.0
"""Attenuation of the side marker."""
AIR_IN_LUNG = 0.78
"""Share of an inflated lung's volume that is air."""
PHOTONS = 9e4
"""Mean count of an unattenuated detector element; sets the noise."""
STORED_MAX = 4095


def chest_film(seed: int, *, rows: int = 1024, columns: int = 1024, lesion: bool = False) -> np.ndarray:
    """Draw a frontal chest film (PA).

    Parameters
    ----------
    seed
        Of the person and of everything random; the same seed gives the same film.
    rows, columns
        Size in pixels; the longer side stands for 37 cm.
    lesion
        Add an opacity with a cavity to an upper lobe; all else stays as without it.

    Returns
    -------
    uint16 (rows, columns), 12-bit stored values, MONOCHROME2: air dark, bone bright.
    """
    build = _build(seed)
    grid = anatomy.grid_of(rows, columns, build)
    attenuation = _attenuation(grid, build, seed, lesion)
    return _develop(_exposure(attenuation, grid, _generator(seed, "exposure")), grid)


def _generator(seed: int, part: str) -> np.random.Generator:
    """Give each part its own stream, so that leaving one out changes no other."""
    return np.random.default_rng([seed, *part.encode()])


def _build(seed: int) -> Build:
    return anatomy.build_of(_generator(seed, "build"))


def _attenuation(grid: Grid, build: Build, seed: int, lesion: bool) -> np.ndarray:
    """Sum attenuation times thickness along each ray, float32 (rows, columns)."""
    body = anatomy.body(grid, build)
    air = _air(grid, build, seed, lesion)
    fat = 1 + 0.015 * clouds(_generator(seed, "fat"), grid, 2.5)
    tissue = np.maximum(body - air, 0.12 * body) * fat
    bone = bones(grid, build, _generator(seed, "bones")) * np.clip(body / 3, 0, 1)
    return np.asarray(TISSUE_PER_CM * tissue + BONE_PER_CM * bone + LEAD * _marker(grid))


def _air(grid: Grid, build: Build, seed: int, lesion: bool) -> np.ndarray:
    """Give the thickness of air in lungs, airways and bowel, float32 (rows, columns) in cm."""
    cavity = anatomy.lungs(grid, build)
    # Lung reaches behind and in front of the heart, and into the recess behind the diaphragm.
    lung = np.maximum(cavity - anatomy.heart_and_vessels(grid, build), 0.17 * cavity)
    generator = _generator(seed, "lung")
    mottled = 1 + 0.03 * clouds(generator, grid, 1.8) + 0.014 * clouds(generator, grid, 0.25)
    air = AIR_IN_LUNG * lung * mottled
    solid = 2.4 * vessels(grid, generator) * np.clip((lung - 1) / 6, 0, 1)
    if lesion:
        solid += anatomy.cavitated_opacity(grid, _generator(seed, "lesion"))
    air -= np.minimum(solid, 0.75 * air)
    return np.asarray(
        air + anatomy.airways(grid) + anatomy.abdominal_gas(grid, build, _generator(seed, "gas"))
    )


def _marker(grid: Grid) -> np.ndarray:
    """Give a lead L near the upper corner on the patient's left, float32 (rows, columns), 0 to 1."""
    image = np.zeros(grid.shape, np.uint8)
    scale = grid.pixels_per_cm
    corner = (round(grid.shape[1] - 2.3 * scale), round(2.4 * scale))
    thick = max(round(0.2 * scale), 1)
    cv2.putText(image, "L", corner, cv2.FONT_HERSHEY_SIMPLEX, scale / 20, [255], thick, cv2.LINE_AA)
    return image.astype(np.float32) / 255


def _exposure(attenuation: np.ndarray, grid: Grid, generator: np.random.Generator) -> np.ndarray:
    """Give the detector's signal, 1 for the bare beam: Beer-Lambert, scatter, uneven field, quanta."""
    lean = generator.normal(0, 0.015, 2)
    field = 1 + lean[0] * grid.x / 18 + lean[1] * (grid.y - anatomy.MIDDLE_Y) / 18
    primary = np.exp(-attenuation) * field.astype(np.float32)
    signal = blur(primary, 0.02, grid) + 0.12 * blur(primary, 1.2, grid) + 0.05 * blur(primary, 5, grid)
    noise = generator.standard_normal(signal.shape, dtype=np.float32)
    return np.asarray(np.maximum(signal + np.sqrt(signal / PHOTONS) * noise, 1e-4))


def _develop(signal: np.ndarray, grid: Grid) -> np.ndarray:
    """Turn the signal into stored values as a digital system does: logarithm, local contrast, S-curve."""
    density = -np.log(signal)
    wide, narrow = blur(density, 3.0, grid), blur(density, 0.25, grid)
    density = density + 0.15 * (density - wide) + 0.5 * (density - narrow)
    tone = 0.9 / (1 + np.exp(-(density - 1.95) / 0.8))
    return np.asarray((np.clip(tone, 0, 1) * STORED_MAX).round().astype(np.uint16))


def chest_film_dicom(
    seed: int,
    *,
    patient_id: str | None = None,
    patient_name: str = "Phantom^Chest",
    study_date: str = "20260105",
    rows: int = 1024,
    columns: int = 1024,
    lesion: bool = False,
) -> bytes:
    """Wrap a drawn film in a DICOM file (Digital X-Ray Image, For Presentation).

    Parameters
    ----------
    seed
        Of the film; sex and age are the drawn person's.
    patient_id
        `PHANTOM-` and the seed where None.
    patient_name
        In DICOM's form, family name first: `Doe^Jane`.
    study_date
        `YYYYMMDD`.
    rows, columns, lesion
        As for `chest_film`.

    Returns
    -------
    A Part 10 file, Explicit VR Little Endian. Equal arguments give equal bytes, UIDs included.
    """
    patient_id = f"PHANTOM-{seed:04d}" if patient_id is None else patient_id
    pixels = chest_film(seed, rows=rows, columns=columns, lesion=lesion)
    dataset = Dataset()
    _describe_study(dataset, _build(seed), patient_id, patient_name, study_date)
    _describe_image(dataset, pixels, anatomy.FIELD_CM * 10 / max(rows, columns))
    identity = f"{seed} {patient_id} {patient_name} {study_date} {rows} {columns} {lesion}"
    for level in ("Study", "Series", "SOP"):
        setattr(dataset, f"{level}InstanceUID", _uid(f"{level} {identity}"))
    return _part_10(dataset)


def _uid(name: str) -> str:
    """Derive a UID from a name (DICOM PS3.5 B.2)."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'radgate phantom {name}').int}"


def _describe_study(dataset: Dataset, build: Build, patient_id: str, patient_name: str, date: str) -> None:
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientID, dataset.PatientName = patient_id, patient_name
    dataset.PatientBirthDate = ""
    dataset.PatientSex, dataset.PatientAge = "F" if build.female else "M", f"{build.age_years:03d}Y"
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = date
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = "100000"
    dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
    dataset.StudyID, dataset.SeriesNumber, dataset.InstanceNumber = "1", 1, 1
    dataset.StudyDescription = "Drawn chest film, not a patient"
    dataset.Manufacturer, dataset.ManufacturerModelName = "RadGate", "Phantom"
    dataset.DeviceSerialNumber, dataset.SoftwareVersions = "0", "1"


def _describe_image(dataset: Dataset, pixels: np.ndarray, spacing_mm: float) -> None:
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.Modality, dataset.PresentationIntentType = "DX", "FOR PRESENTATION"
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    dataset.BodyPartExamined, dataset.ViewPosition, dataset.ImageLaterality = "CHEST", "PA", "U"
    dataset.PatientOrientation = ["L", "F"]
    dataset.AnatomicRegionSequence = [_code("51185008", "Chest")]
    dataset.ViewCodeSequence = [_code("399348003", "postero-anterior")]
    dataset.ViewCodeSequence[0].ViewModifierCodeSequence = []
    dataset.PositionerType = ""
    dataset.PatientOrientationCodeSequence = [_code("10904000", "erect")]
    dataset.DetectorType, dataset.DetectorConfiguration = "SCINTILLATOR", "AREA"
    dataset.DetectorDescription, dataset.DetectorID = "None: drawn", "0"
    dataset.ImagerPixelSpacing = [f"{spacing_mm:.6f}"] * 2
    dataset.AcquisitionContextSequence = []
    dataset.LossyImageCompression, dataset.BurnedInAnnotation = "00", "NO"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PixelIntensityRelationship, dataset.PixelIntensityRelationshipSign = "LOG", -1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "US"
    dataset.PresentationLUTShape = "IDENTITY"
    dataset.WindowCenter, dataset.WindowWidth = "2048", "4096"
    dataset.PixelData = pixels.astype("<u2").tobytes()


def _code(value: str, meaning: str) -> Dataset:
    """Give a SNOMED CT code."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return item


def _part_10(dataset: Dataset) -> bytes:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    target = BytesIO()
    dataset.save_as(target, enforce_file_format=True)
    return target.getvalue()
