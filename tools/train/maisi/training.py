"""Train MAISI's small networks: volumes, the autoencoder, the embedding of labels, the flow, the graphs."""

import json
import logging
from pathlib import Path
from typing import Any, NamedTuple

from tools.train.maisi import volumes as drawn
from tools.train.maisi.sizes import SMALL

logger = logging.getLogger(__name__)

NAMED = {"name": "small", "version": "v0.2.0"}
STEPS = 10
"""Of the flow, where none are asked for."""
WINDOW, OVERLAP = 44, 0.45
"""Of decoding: four windows of a volume of 256x256x128, which share so much that no voxel near a window's end
counts."""


class Effort(NamedTuple):
    """How much to draw and how long to train."""

    volumes: int = 34
    autoencoder_steps: int = 1600
    hint_steps: int = 800
    flow_steps: int = 5000
    decoder_steps: int = 250
    held_out: int = 20


def train(output_dir: Path, seed: int = 0, effort: Effort | None = None) -> None:
    """Train and write `maisi_latent/`, `maisi_decode/` and `figures.json`.

    Parameters
    ----------
    output_dir
        Where the files go; made if need be. Drawn volumes and the trained autoencoder stay there for the
        next run.
    seed
        The same seed, number of threads and version of torch give the same weights.
    effort
        How much to draw and how long to train.

    Raises
    ------
    SystemExit
        torch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise SystemExit("training needs torch: pip install 'radgate[train]'") from error
    from tools.train.maisi.autoencoder import Autoencoder
    from tools.train.maisi.autoencoder_training import fit_autoencoder, settle_decoder
    from tools.train.maisi.evaluate import figures
    from tools.train.maisi.flow_training import CT, Example, FlowFit, encoded
    from tools.train.maisi.hint_training import fit_hint, hint_of
    from tools.train.maisi.variants import write_decode, write_latent

    effort = effort or Effort()
    folder = output_dir / "volumes"
    weights = output_dir / f"autoencoder_{seed}.pt"
    autoencoder = Autoencoder(SMALL.autoencoder).eval()
    all_volumes = drawn.volumes(folder, seed, drawn.LEARNT, effort.volumes)
    if not weights.exists():
        fitted = fit_autoencoder(SMALL.autoencoder, all_volumes, seed, effort.autoencoder_steps)
        torch.save(fitted.state_dict(), weights)
    autoencoder.load_state_dict(torch.load(weights))
    latents, scale = encoded(autoencoder, all_volumes)
    labels = [volume.labels for volume in all_volumes]
    scaled = [latent * scale for latent in latents]
    embedding = fit_hint(SMALL.controlnet, scaled, labels, seed, effort.hint_steps)
    examples = [
        Example(latent, hint_of(embedding, volume.labels), volume.labels, volume.spacing_mm)
        for latent, volume in zip(scaled, all_volumes, strict=True)
    ]
    flow = FlowFit(SMALL, embedding, seed, effort.flow_steps).run(examples)
    autoencoder = settle_decoder(autoencoder, latents, all_volumes, seed, effort.decoder_steps)
    write_latent(
        output_dir,
        flow.unet,
        flow.controlnet,
        **NAMED,
        steps=STEPS,
        scale_factor=scale,
        modality=CT,
        halved=True,
    )
    write_decode(output_dir, autoencoder, **NAMED, window=WINDOW, overlap=OVERLAP, halved=True)
    document: dict[str, Any] = {"seed": seed, "effort": effort._asdict()}
    document["figures"] = figures(output_dir, seed, effort.held_out, output_dir / "contact_sheet.jpg")
    (output_dir / "figures.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    logger.info("written to %s", output_dir)
