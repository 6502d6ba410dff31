"""Official-layout checkpoints, in small, to the graphs of MAISI; needs torch and safetensors."""

# ruff: noqa: E402  # what follows importorskip cannot be imported without torch

import gzip
import json
import logging
import zipfile
from dataclasses import replace

import nibabel
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from gateway.imaging.maisi.asked import Asked
from gateway.imaging.maisi.candidates import CandidateMasks
from gateway.triton.networks.onnx_runtime import OnnxRuntimeNetwork
from tools.models_import.checkpoints import BadCheckpoint
from tools.models_import.maisi import import_maisi
from tools.train.maisi.autoencoder import Autoencoder
from tools.train.maisi.diffusion import ControlNet, DiffusionUNet
from tools.train.maisi.graphs import Velocity
from tools.train.maisi.sizes import SMALL, AutoencoderSize

MASK_UNET = replace(SMALL.unet, channels=(8, 8, 8, 8), head_channels=(0, 0, 8, 8), residual_resampling=False)
SIZES = replace(
    SMALL,
    mask_autoencoder=AutoencoderSize(8, 125, channels=(8, 8, 8), residual_blocks=(1, 1, 1), norm_groups=4),
    mask_unet=replace(MASK_UNET, classes=None, takes_spacing=False, context_channels=10),
)


def network(kind, size, seed):
    torch.manual_seed(seed)
    made = kind(size).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    return made


@pytest.fixture
def networks():
    return {
        "autoencoder": network(Autoencoder, SIZES.autoencoder, 1),
        "unet": network(DiffusionUNet, SIZES.unet, 2),
        "controlnet": network(ControlNet, SIZES.controlnet, 3),
        "mask_autoencoder": network(Autoencoder, SIZES.mask_autoencoder, 4),
        "mask_unet": network(DiffusionUNet, SIZES.mask_unet, 5),
    }


@pytest.fixture
def bundle(tmp_path, networks):
    """Write what the published bundle has, with its own names and wrappers."""
    folder = tmp_path / "bundle"
    (folder / "models").mkdir(parents=True)
    (folder / "configs").mkdir()
    (folder / "configs" / "metadata.json").write_text('{"version": "1.0.0"}')
    state = {name: each.state_dict() for name, each in networks.items()}
    scale = torch.tensor(0.75)
    documents = {
        "autoencoder_epoch273": state["autoencoder"],
        "diff_unet_ckpt_epoch19350": {
            "unet_state_dict": state["unet"], "scale_factor": scale, "epoch": 19350, "loss": 0.1,
            "num_train_timesteps": 1000,
        },
        "controlnet_epoch150": {"controlnet_state_dict": state["controlnet"], "epoch": 150, "loss": 0.1},
        "mask_generation_autoencoder": state["mask_autoencoder"],
        "mask_generation_diffusion_unet": {
            "unet_state_dict": state["mask_unet"], "scale_factor": torch.tensor(1.0055984),
        },
    }  # fmt: skip
    for name, document in documents.items():
        torch.save(document, folder / "models" / f"{name}.pt")
    return folder


def change(bundle, name, how):
    path = bundle / "models" / f"{name}.pt"
    document = torch.load(path)
    how(document)
    torch.save(document, path)


def variant(repository, model):
    return json.loads((repository / model / "1" / "variant.json").read_text())


def run(repository, graph, **inputs):
    arrays = {name: np.asarray(value) for name, value in inputs.items()}
    return OnnxRuntimeNetwork(repository / graph).run(arrays)


def assert_velocity_of(networks, repository):
    latent, hint = torch.randn(1, 4, 8, 16, 8), torch.randn(1, 16, 8, 16, 8)
    told = torch.tensor([400.0]), hint, torch.tensor([[0.8, 0.8, 2.5]]), torch.ones(1, dtype=torch.int64)
    names = ("timestep", "hint", "spacing_mm", "modality")
    out = run(
        repository, "maisi_latent/1/velocity.onnx", latent=latent, **dict(zip(names, told, strict=True))
    )
    with torch.no_grad():
        expected = Velocity(networks["unet"], networks["controlnet"])(latent, *told)
    np.testing.assert_allclose(out["velocity"], expected, atol=1e-4)


def test_a_bundle_becomes_the_graphs_of_its_networks(bundle, tmp_path, networks):
    repository = tmp_path / "repository"
    import_maisi(bundle, repository, sizes=SIZES)
    assert_velocity_of(networks, repository)
    latent, noisy = torch.randn(1, 4, 8, 4, 4), torch.randn(1, 4, 16, 8, 8)
    asked = torch.tensor([7.0]), torch.full((1, 10), 0.5)
    with torch.no_grad():
        image = networks["autoencoder"].decode(latent)
        noise = networks["mask_unet"](noisy, asked[0], context=asked[1][:, None])
        logits = networks["mask_autoencoder"].decode(latent)
    decoded = run(repository, "maisi_decode/1/decoder.onnx", latent=latent)["image"]
    np.testing.assert_allclose(decoded, image, atol=1e-4)
    predicted = run(
        repository, "maisi_mask/1/mask_noise.onnx", latent=noisy, timestep=asked[0], anatomy_size=asked[1]
    )
    np.testing.assert_allclose(predicted["noise"], noise, atol=1e-4)
    channels = run(repository, "maisi_mask/1/mask_decoder.onnx", latent=latent)["image"]
    np.testing.assert_allclose(channels, logits, atol=1e-4)
    assert variant(repository, "maisi_latent") == {
        "name": "official", "version": "1.0.0", "sampler": "rectified-flow", "steps": 30,
        "scale_factor": 0.75, "modality": 1,
    }  # fmt: skip
    assert variant(repository, "maisi_mask")["scale_factor"] == pytest.approx(1.0055984)


def test_the_next_import_reads_safetensors(bundle, tmp_path, networks):
    import_maisi(bundle, tmp_path / "first", sizes=SIZES)
    for pickled in (bundle / "models").glob("*.pt"):
        pickled.unlink()
    import_maisi(bundle, tmp_path / "second", sizes=SIZES)
    assert_velocity_of(networks, tmp_path / "second")
    assert variant(tmp_path / "second", "maisi_latent")["scale_factor"] == 0.75


def test_missing_weights_are_named_and_nothing_is_written(bundle, tmp_path):
    change(bundle, "diff_unet_ckpt_epoch19350", lambda d: d["unet_state_dict"].pop("conv_in.conv.weight"))
    with pytest.raises(BadCheckpoint, match=r"19350.pt: 1 weights are missing: conv_in.conv.weight"):
        import_maisi(bundle, tmp_path / "repository", sizes=SIZES)
    assert not (tmp_path / "repository").exists()


def test_weights_of_another_shape_are_named(bundle, tmp_path):
    change(bundle, "autoencoder_epoch273", lambda d: d.update({"post_quant_conv.conv.bias": torch.zeros(3)}))
    with pytest.raises(BadCheckpoint, match=r"post_quant_conv.conv.bias \(3,\) instead of \(4,\)"):
        import_maisi(bundle, tmp_path / "repository", sizes=SIZES)


def test_unexpected_weights_are_reported(bundle, tmp_path, caplog):
    change(bundle, "autoencoder_epoch273", lambda d: d.update({"loss.logvar": torch.zeros(1)}))
    with caplog.at_level(logging.WARNING):
        import_maisi(bundle, tmp_path / "repository", sizes=SIZES)
    assert "1 unexpected weights are left out: loss.logvar" in caplog.text


def test_a_controlnet_takes_from_the_unet_what_it_lacks(bundle, tmp_path, networks, caplog):
    change(bundle, "controlnet_epoch150", lambda d: d["controlnet_state_dict"].pop("conv_in.conv.bias"))
    with caplog.at_level(logging.WARNING):
        import_maisi(bundle, tmp_path / "repository", sizes=SIZES)
    assert "1 weights come from the U-Net: conv_in.conv.bias" in caplog.text
    networks["controlnet"].conv_in.conv.bias.data = networks["unet"].conv_in.conv.bias.data
    assert_velocity_of(networks, tmp_path / "repository")


def add_masks(bundle, held="set/mask.nii.gz"):
    (bundle / "datasets").mkdir()
    entry = {
        "pseudo_label_filename": "./set/mask.nii.gz", "dim": [32, 32, 32], "spacing": [1.5, 1.5, 1.5],
        "label_list": [1],
    }  # fmt: skip
    catalogue = bundle / "datasets" / "candidate_masks_flexible_size_and_spacing_4000.json"
    catalogue.write_text(json.dumps([entry]))
    with zipfile.ZipFile(
        bundle / "datasets" / "all_masks_flexible_size_and_spacing_4000.zip", "w"
    ) as archive:
        labels = np.ones((32, 32, 32), np.uint8)
        image = nibabel.Nifti1Image(labels, np.diag([1.5, 1.5, 1.5, 1.0]))
        archive.writestr(
            f"all_masks_flexible_size_and_spacing_4000/{held}", gzip.compress(image.to_bytes(), mtime=0)
        )
    sizes = [{"organ_size": [0.1 * slot for slot in range(10)]}]
    (bundle / "datasets" / "all_anatomy_size_conditions.json").write_text(json.dumps(sizes))


def test_masks_of_real_bodies_come_along(bundle, tmp_path):
    add_masks(bundle)
    import_maisi(bundle, tmp_path / "repository", sizes=SIZES)
    folder = tmp_path / "repository" / "maisi_mask" / "1"
    asked = Asked(1, (32, 32, 32), (1.5, 1.5, 1.5), ("abdomen",), ("liver",), (), None)
    *_, labels = CandidateMasks(folder).labels(asked)
    assert (labels == 1).sum() > 30**3
    np.testing.assert_allclose(
        json.loads((folder / "anatomy_sizes.json").read_text()), [[0.1 * slot for slot in range(10)]]
    )


def test_a_catalogue_of_other_masks_is_refused(bundle, tmp_path):
    add_masks(bundle, held="set/other.nii.gz")
    with pytest.raises(BadCheckpoint, match=r"lacks 1 masks of candidate_.*, first set/mask.nii.gz"):
        import_maisi(bundle, tmp_path / "repository", sizes=SIZES)
    assert not (tmp_path / "repository").exists()


def test_masks_stay_drawn_without_a_generator(bundle, tmp_path):
    for path in (bundle / "models").glob("mask_*"):
        path.unlink()
    import_maisi(bundle, tmp_path / "repository", sizes=SIZES)
    assert not (tmp_path / "repository" / "maisi_mask").exists()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda b: (b / "models" / "controlnet_epoch150.pt").unlink(), r"expected controlnet_3d_rflow-ct.pt"),
        (lambda b: (b / "models" / "autoencoder_epoch273.pt").write_bytes(b"no"), r"cannot be read"),
        (lambda b: (b / "models" / "mask_generation_autoencoder.pt").unlink(), r"other half"),
        (lambda b: (b / "models" / "autoencoder_v1.pt").touch(), r"expected one of them"),
    ],
)
def test_a_bundle_that_does_not_fit_is_refused(bundle, tmp_path, spoil, message):
    spoil(bundle)
    with pytest.raises(BadCheckpoint, match=message):
        import_maisi(bundle, tmp_path / "repository", sizes=SIZES)


def test_weights_of_denoising_are_refused(bundle, tmp_path):
    def add_region_layer(document):
        document["unet_state_dict"]["top_region_index_layer.0.weight"] = torch.zeros(4)

    change(bundle, "diff_unet_ckpt_epoch19350", add_region_layer)
    with pytest.raises(BadCheckpoint, match="expected a rectified flow"):
        import_maisi(bundle, tmp_path / "repository", sizes=SIZES)


def test_code_in_a_pickle_is_not_run(bundle, tmp_path):
    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "run"), "w"))

    torch.save({"a": Payload()}, bundle / "models" / "autoencoder_epoch273.pt")
    with pytest.raises(BadCheckpoint, match="--trust"):
        import_maisi(bundle, tmp_path / "repository", sizes=SIZES)
    assert not (tmp_path / "run").exists()
