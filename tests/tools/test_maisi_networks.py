"""MAISI's networks beside MONAI's own; needs torch and MONAI, which the usual environment does not have."""

# ruff: noqa: E402  # what follows importorskip cannot be imported without torch

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MONAI's imports are not ours to mend
    pytest.importorskip("monai")
    pytest.importorskip("einops")
    from monai.apps.generation.maisi.networks.autoencoderkl_maisi import AutoencoderKlMaisi
    from monai.apps.generation.maisi.networks.controlnet_maisi import ControlNetMaisi
    from monai.apps.generation.maisi.networks.diffusion_model_unet_maisi import DiffusionModelUNetMaisi
    from monai.inferers.inferer import SlidingWindowInferer
    from monai.networks.nets.diffusion_model_unet import DiffusionModelUNet
    from monai.networks.schedulers.rectified_flow import RFlowScheduler

from gateway.imaging.maisi.conditioning import embedding_of, label_bits
from gateway.imaging.maisi.sampling import sample
from gateway.imaging.maisi.windows import decode_windows
from gateway.triton.networks.onnx_runtime import OnnxRuntimeNetwork
from tools.train.maisi import graphs
from tools.train.maisi.autoencoder import Autoencoder
from tools.train.maisi.diffusion import ControlNet, DiffusionUNet
from tools.train.maisi.sizes import OFFICIAL, OFFICIAL_DDPM, AutoencoderSize, ControlNetSize, UNetSize

AUTOENCODER = AutoencoderSize(1, 1, channels=(8, 8, 16), residual_blocks=(1, 2, 1), norm_groups=4)
FLOW = UNetSize(
    channels=(8, 8, 16, 16),
    attention=(False, False, True, True),
    head_channels=(0, 0, 8, 8),
    residual_blocks=2,
    norm_groups=4,
    residual_resampling=True,
    projects_attention=True,
    classes=128,
    takes_spacing=True,
)
DDPM = UNetSize(
    channels=(8, 8, 16, 16),
    attention=(False, False, True, True),
    head_channels=(0, 0, 8, 8),
    residual_blocks=1,
    norm_groups=4,
    takes_spacing=True,
    takes_regions=True,
)
MASK = UNetSize(
    channels=(8, 8, 16, 16),
    attention=(False, False, True, True),
    head_channels=(0, 0, 8, 8),
    residual_blocks=2,
    norm_groups=4,
    projects_attention=True,
    context_channels=10,
)
HINT = (4, 8, 8)


def monai_autoencoder(size):
    return AutoencoderKlMaisi(
        spatial_dims=3,
        in_channels=size.inputs,
        out_channels=size.outputs,
        latent_channels=size.latent_channels,
        num_channels=size.channels,
        num_res_blocks=size.residual_blocks,
        norm_num_groups=size.norm_groups,
        norm_eps=size.norm_eps,
        attention_levels=[False] * len(size.channels),
        num_splits=1,
        save_mem=False,
    )


def monai_unet_arguments(size):
    return {
        "spatial_dims": 3,
        "in_channels": size.latent_channels,
        "num_channels": size.channels,
        "attention_levels": size.attention,
        "num_head_channels": size.head_channels,
        "num_res_blocks": size.residual_blocks,
        "norm_num_groups": size.norm_groups,
        "num_class_embeds": size.classes,
        "resblock_updown": size.residual_resampling,
        "include_fc": size.projects_attention,
    }


def monai_unet(size):
    return DiffusionModelUNetMaisi(
        **monai_unet_arguments(size),
        out_channels=size.latent_channels,
        include_spacing_input=size.takes_spacing,
        include_top_region_index_input=size.takes_regions,
        include_bottom_region_index_input=size.takes_regions,
    )


def monai_controlnet(size):
    return ControlNetMaisi(
        **monai_unet_arguments(size.unet),
        conditioning_embedding_in_channels=8,
        conditioning_embedding_num_channels=size.hint_channels,
        use_checkpointing=False,
    )


def monai_mask_unet(size):
    arguments = monai_unet_arguments(size)
    channels = arguments.pop("num_channels")
    return DiffusionModelUNet(
        **arguments,
        out_channels=size.latent_channels,
        channels=channels,
        with_conditioning=True,
        cross_attention_dim=size.context_channels,
        upcast_attention=True,
    )


def with_weights_of(ours, theirs, seed=0):
    """Draw weights everywhere, in layers of zeros too, and load them into ours, all keys and no others."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in theirs.parameters():
            spread = 0.5 / max(parameter[0].numel(), 1) ** 0.5 if parameter.ndim > 1 else 0.1
            parameter.add_(spread * torch.randn(parameter.shape, generator=generator))
    ours.load_state_dict(theirs.state_dict())
    return ours.eval(), theirs.eval()


def flow_pair(unet_size=FLOW):
    unet = with_weights_of(DiffusionUNet(unet_size), monai_unet(unet_size), 1)
    size = ControlNetSize(
        UNetSize(**{**vars(unet_size), "takes_spacing": False, "takes_regions": False}), HINT
    )
    return unet, with_weights_of(ControlNet(size), monai_controlnet(size), 2)


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def random_labels(*shape):
    return np.random.default_rng(0).integers(0, 201, shape, np.uint8)


def assert_near(ours, theirs, tolerance=1e-5):
    assert ours.shape == theirs.shape
    assert float(abs(ours - theirs).max()) <= tolerance * max(float(abs(theirs).max()), 1)


@pytest.mark.parametrize(
    ("network", "theirs", "size", "parameters", "keys"),
    [
        (Autoencoder, monai_autoencoder, OFFICIAL.autoencoder, 20_944_897, 130),
        (DiffusionUNet, monai_unet, OFFICIAL.unet, 180_500_868, 435),
        (DiffusionUNet, monai_unet, OFFICIAL_DDPM.unet, 169_370_884, 372),
        (ControlNet, monai_controlnet, OFFICIAL.controlnet, 72_037_072, 231),
        (ControlNet, monai_controlnet, OFFICIAL_DDPM.controlnet, 68_644_944, 196),
        (Autoencoder, monai_autoencoder, OFFICIAL.mask_autoencoder, 5_256_509, 114),
        (DiffusionUNet, monai_mask_unet, OFFICIAL.mask_unet, 197_163_012, 558),
    ],
)
def test_official_sizes_have_the_published_parameters(network, theirs, size, parameters, keys):
    with torch.device("meta"):
        ours = network(size).state_dict()
        official = theirs(size).state_dict()
    assert {name: tensor.shape for name, tensor in ours.items()} == {
        name: tensor.shape for name, tensor in official.items()
    }
    assert len(ours) == keys
    assert sum(tensor.numel() for tensor in ours.values()) == parameters


def test_autoencoder_is_monais():
    ours, theirs = with_weights_of(Autoencoder(AUTOENCODER), monai_autoencoder(AUTOENCODER))
    image = random(1, 1, 32, 24, 16)
    with torch.no_grad():
        for own, other in zip(ours.encode(image), theirs.encode(image), strict=True):
            assert_near(own, other)
        latent = random(1, 4, 8, 6, 4)
        assert_near(ours.decode(latent), theirs.decode_stage_2_outputs(latent))


@pytest.mark.parametrize("size", [FLOW, DDPM])
def test_one_steered_step_is_monais(size):
    (unet, monai), (controlnet, monai_control) = flow_pair(size)
    latent, times = random(1, 4, 16, 8, 8), torch.tensor([437.5])
    bits = torch.from_numpy(label_bits(random_labels(64, 32, 32))[np.newaxis])
    modality = torch.ones(1, dtype=torch.int64) if size.classes else None
    spacing = torch.tensor([[80.0, 80.0, 250.0]])
    regions = 100 * torch.eye(4)[[1]], 100 * torch.eye(4)[[2]]
    theirs_told = {"class_labels": modality, "spacing_tensor": spacing}
    if size.takes_regions:
        theirs_told |= dict(
            zip(("top_region_index_tensor", "bottom_region_index_tensor"), regions, strict=True)
        )
    with torch.no_grad():
        residuals = controlnet(latent, times, controlnet.controlnet_cond_embedding(bits), modality=modality)
        down, middle = monai_control(latent, times, bits, class_labels=modality)
        for own, other in zip(residuals, [*down, middle], strict=True):
            assert_near(own, other)
        own = unet(
            latent, times, modality=modality, spacing=spacing,
            regions=regions if size.takes_regions else None, residuals=residuals,
        )  # fmt: skip
        other = monai(
            latent, times, **theirs_told,
            down_block_additional_residuals=down, mid_block_additional_residual=middle,
        )  # fmt: skip
        assert_near(own, other)


def test_mask_networks_are_monais():
    ours, theirs = with_weights_of(DiffusionUNet(MASK), monai_mask_unet(MASK))
    latent, times, sizes = random(1, 4, 8, 8, 16), torch.tensor([12.0]), random(1, 1, 10)
    with torch.no_grad():
        assert_near(ours(latent, times, context=sizes), theirs(latent, times, context=sizes))


def test_whole_sampling_of_the_graphs_is_monais(tmp_path):
    """Embedding in slabs, ten steps and the truncation of MONAI, all through ONNX and our loop."""
    (unet, monai), (controlnet, monai_control) = flow_pair()
    graphs.write_hint(controlnet, tmp_path / "hint.onnx", halved=False)
    graphs.write_velocity(unet, controlnet, tmp_path / "velocity.onnx", halved=False)
    embed, velocity = (OnnxRuntimeNetwork(tmp_path / f"{name}.onnx") for name in ("hint", "velocity"))
    labels, noise = random_labels(32, 64, 96), random(1, 4, 8, 16, 24)
    hint = embedding_of(labels, lambda bits: embed.run({"bits": bits})["hint"])
    told = {"spacing_mm": np.array([[0.8, 0.8, 2.5]], np.float32), "modality": np.ones(1, np.int64)}

    def predict(latent, timestep):
        return velocity.run({"latent": latent, "timestep": timestep, "hint": hint, **told})["velocity"]

    *_, ours = sample(noise.numpy(), predict, steps=10, truncated=True)
    scheduler = RFlowScheduler(1000, use_discrete_timesteps=False, use_timestep_transform=True, scale=1.4)
    scheduler.set_timesteps(10, input_img_size_numel=8 * 16 * 24)
    latent, modality = noise, torch.ones(1, dtype=torch.int64)
    bits = torch.from_numpy(label_bits(labels)[np.newaxis])
    following = torch.cat([scheduler.timesteps[1:], torch.zeros(1, dtype=scheduler.timesteps.dtype)])
    with torch.no_grad():
        for time, next_time in zip(scheduler.timesteps, following, strict=True):
            down, middle = monai_control(latent, time[None].float(), bits, class_labels=modality)
            predicted = monai(
                latent, time[None].float(), class_labels=modality,
                spacing_tensor=torch.tensor([[80.0, 80.0, 250.0]]),
                down_block_additional_residuals=down, mid_block_additional_residual=middle,
            )  # fmt: skip
            latent, _ = scheduler.step(predicted, time, latent, next_time)
    assert_near(ours, latent.numpy(), 1e-4)


def test_decoding_in_windows_is_monais(tmp_path):
    ours, theirs = with_weights_of(Autoencoder(AUTOENCODER), monai_autoencoder(AUTOENCODER))
    graphs.write_decoder(ours, tmp_path / "decoder.onnx", halved=False)
    decoder = OnnxRuntimeNetwork(tmp_path / "decoder.onnx")
    latent = random(1, 4, 20, 12, 18)
    parts = decode_windows(
        latent[0].numpy(), lambda part: decoder.run({"latent": part})["image"], window=12, overlap=0.25
    )
    image = np.concatenate([part for *_, part in parts if part is not None], 3)
    inferer = SlidingWindowInferer((12, 12, 12), 1, 0.25, mode="gaussian")
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = inferer(latent, theirs.decode_stage_2_outputs)
    assert_near(image, expected[0].numpy(), 1e-4)
