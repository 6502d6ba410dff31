"""Train the sides' network on views of photos."""

import logging
from typing import TYPE_CHECKING

import numpy as np

from gateway.imaging.screen.view import VIEW_PX
from tools.train.screen.side_views import ABSENT, Photos, Views, batch
from tools.train.screen.training import pace

if TYPE_CHECKING:
    from torch import Tensor

    from tools.train.screen.side_network import SideNetwork

logger = logging.getLogger(__name__)

BATCH = 24
SHARPNESS_PX = 1.2
"""Deviation of the target around a side, in pixels of the view."""


def fit_sides(
    network: "SideNetwork", photos: Photos, seed: int, steps: int, rate: float, *, settled: bool = False
) -> None:
    """Train the network in place for a number of batches; `settled` as for `fit` of the corner network."""
    import torch

    from tools.train.restore import settle

    rng = np.random.default_rng([seed, 7])
    network = network.to(memory_format=torch.channels_last).train()
    if settled:
        settle(network)
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: pace(step, steps))
    recent = np.zeros(2)
    for step in range(steps):
        drawn = batch(rng, photos, rng.integers(0, len(photos.pictures), BATCH))
        places, screen = network(torch.from_numpy(drawn.squares).to(memory_format=torch.channels_last))
        place_cost, screen_cost = losses(places, screen, drawn)
        optimiser.zero_grad(set_to_none=True)
        (place_cost + 0.3 * screen_cost).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        recent = 0.95 * recent + 0.05 * np.array([place_cost.item(), screen_cost.item()])
        if step % 50 == 0 or step == steps - 1:
            logger.info("step %d of %d: places %.3f, screen %.3f", step, steps, *recent)


def losses(places: "Tensor", screen: "Tensor", drawn: Views) -> tuple["Tensor", "Tensor"]:
    """Price the places of photos of screens, and what is taken for one.

    Parameters
    ----------
    places, screen
        As `SideNetwork` gives them.
    drawn
        The batch.
    """
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    photo = torch.from_numpy(drawn.screen)
    judged = binary_cross_entropy_with_logits(screen, photo.float())
    if not drawn.screen.any():
        return judged * 0, judged
    truth = torch.from_numpy(drawn.sides[drawn.screen])[..., None]
    pixels = torch.arange(VIEW_PX) + 0.5
    target = torch.exp(-((pixels - truth) ** 2) / (2 * SHARPNESS_PX**2))
    target = target / target.sum(3, keepdim=True).clamp(min=1e-6)
    absent = (truth == ABSENT).float()
    target = torch.cat([target * (1 - absent), absent], 3)
    entropy = -(target * places[photo].log_softmax(3)).sum(3)
    # Places beyond a side's ends are most of all, and teach least.
    weight = 1 - 0.75 * absent[..., 0]
    return (entropy * weight).sum() / weight.sum(), judged
