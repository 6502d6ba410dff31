"""One volume in each format, read back by readers that are not ours, to the same voxels and positions."""

import gzip
import io

import nibabel
import nrrd
import numpy as np
import pytest
import SimpleITK

from gateway.imaging.volume import Geometry, write_nifti, write_nrrd

GEOMETRY = Geometry((5, 4, 20), (0.7, 0.8, 2.5), (-10.0, 20.0, 30.0))
INDEX = (3, 1, 17)
POSITION_RAS = (-10 + 3 * 0.7, 20 + 0.8, 30 + 17 * 2.5)
POSITION_LPS = (-POSITION_RAS[0], -POSITION_RAS[1], POSITION_RAS[2])
INT16, UINT8, FLOAT32 = map(np.dtype, ("int16", "uint8", "float32"))


@pytest.fixture
def image():
    return np.random.default_rng(1).integers(-1000, 1001, GEOMETRY.size).astype(np.int16)


def written(writer, voxels, **options) -> bytes:
    target = io.BytesIO()
    writer(target, voxels, GEOMETRY, **options)
    return target.getvalue()


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("dtype", [INT16, FLOAT32])
def test_nibabel_reads_nifti(image, dtype, compressed, tmp_path):
    path = tmp_path / ("image.nii.gz" if compressed else "image.nii")
    path.write_bytes(written(write_nifti, image, dtype=dtype, compressed=compressed, description="SYNTHETIC"))
    read = nibabel.load(path)
    assert read.get_data_dtype() == dtype
    assert np.array_equal(read.get_fdata(), image)
    assert np.allclose(read.affine @ [*INDEX, 1], [*POSITION_RAS, 1], atol=1e-5)
    assert nibabel.aff2axcodes(read.affine) == ("R", "A", "S")
    assert read.header.get_xyzt_units()[0] == "mm"
    assert read.header["qform_code"] == read.header["sform_code"] == 1
    assert read.header["descrip"] == b"SYNTHETIC"


def test_pynrrd_reads_nrrd(image, tmp_path):
    path = tmp_path / "image.nrrd"
    path.write_bytes(written(write_nrrd, image, dtype=INT16, description="SYNTHETIC"))
    voxels, header = nrrd.read(str(path))
    assert voxels.dtype == INT16
    assert np.array_equal(voxels, image)
    assert header["space"] == "left-posterior-superior"
    position = header["space origin"] + np.array(INDEX) @ header["space directions"]
    assert np.allclose(position, POSITION_LPS)


@pytest.mark.parametrize("name", ["image.nii.gz", "image.nii", "image.nrrd"])
@pytest.mark.parametrize("dtype", [INT16, FLOAT32, UINT8])
def test_simpleitk_reads_all_to_the_same_voxels_and_positions(image, name, dtype, tmp_path):
    voxels = np.abs(image) % 200 if dtype == UINT8 else image
    path = tmp_path / name
    options = {} if name.endswith(".nrrd") else {"compressed": name.endswith(".gz")}
    writer = write_nrrd if name.endswith(".nrrd") else write_nifti
    path.write_bytes(written(writer, voxels, dtype=dtype, **options))
    read = SimpleITK.ReadImage(str(path))
    assert np.array_equal(SimpleITK.GetArrayFromImage(read), voxels.transpose(2, 1, 0))
    assert np.allclose(read.TransformContinuousIndexToPhysicalPoint(INDEX), POSITION_LPS, atol=1e-4)


@pytest.mark.parametrize("dtype", [INT16, UINT8])
def test_equal_volumes_give_equal_bytes(image, dtype):
    voxels = np.abs(image) % 200
    for writer, options in ((write_nifti, {"compressed": True}), (write_nrrd, {})):
        assert written(writer, voxels, dtype=dtype, **options) == written(
            writer, voxels, dtype=dtype, **options
        )


def test_gzip_holds_neither_a_time_nor_a_name(image):
    file = written(write_nifti, image, dtype=INT16, compressed=True)
    assert file[3:8] == bytes(5)  # no flags, no time (RFC 1952, 2.3)
    assert len(gzip.decompress(file)) == 352 + image.nbytes


def test_a_memory_map_is_written_as_the_array_is(image, tmp_path):
    (tmp_path / "raw").write_bytes(image.tobytes(order="F"))
    mapped = np.memmap(tmp_path / "raw", np.int16, "r", shape=GEOMETRY.size, order="F")
    assert written(write_nifti, mapped, dtype=INT16, compressed=False) == written(
        write_nifti, image, dtype=INT16, compressed=False
    )
