"""The landmark network in PyTorch: a trunk that the folds share, and what each fold has of its own."""

import torch
from torch import Tensor, nn

from tools.train.layers import Residual, convolution
from tools.train.vhs.decode import decode_jointly
from tools.train.vhs.layout import EDGES, FOLDS, POINTS

CHANNELS = (32, 64, 96, 128)
"""Of the features at strides 4, 8, 16 and 32."""
DECODER_CHANNELS = (96, 64, 48)
"""Of a fold's way back up at strides 32, 16 and 8."""
VIEWS = 2
"""What each fold looks at: the square, and the square mirrored."""


class Wide(nn.Module):  # type: ignore[misc]
    """A 7×7 convolution of each channel, then a mix of all: three see the whole square at stride 32."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 7, 1, 3, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
            nn.Conv2d(channels, 2 * channels, 1),
            nn.ReLU(),
            nn.Conv2d(2 * channels, channels, 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Add what the convolutions find to the features."""
        return features + self.body(features)


class Trunk(nn.Module):  # type: ignore[misc]
    """What all folds see: edges and textures at strides 8 and 16."""

    def __init__(self) -> None:
        super().__init__()
        quarter, eighth, sixteenth, _ = CHANNELS
        self.eighth = nn.Sequential(
            convolution(1, quarter, 8, 4),
            convolution(quarter, eighth, 3, 2),
            Residual(eighth),
            Residual(eighth),
        )
        self.sixteenth = nn.Sequential(
            convolution(eighth, sixteenth, 3, 2), Residual(sixteenth), Residual(sixteenth)
        )

    def forward(self, letterbox: Tensor) -> tuple[Tensor, Tensor]:
        """Give features at strides 8 and 16 of squares (N, 1, S, S) with values 0 to 1."""
        eighth = self.eighth((letterbox - 0.5) * 4.0)
        return eighth, self.sixteenth(eighth)


class Fold(nn.Module):  # type: ignore[misc]
    """One opinion: counts vertebrae over the whole square, then finds the points; and judges the view."""

    def __init__(self) -> None:
        super().__init__()
        _, eighth, sixteenth, context = CHANNELS
        high, middle, low = DECODER_CHANNELS
        self.context = nn.Sequential(
            convolution(sixteenth, context, 3, 2), Wide(context), Wide(context), Wide(context)
        )
        self.high = nn.Sequential(convolution(context, high), nn.Conv2d(high, middle, 1))
        self.from_sixteenth = nn.Conv2d(sixteenth, middle, 1)
        self.middle = nn.Sequential(convolution(middle, middle), nn.Conv2d(middle, low, 1))
        self.from_eighth = nn.Conv2d(eighth, low, 1)
        self.low = nn.Sequential(convolution(low, low), nn.Conv2d(low, 4 * POINTS, 3, 1, 1))
        self.validity = nn.Linear(context, 1)

    def forward(self, eighth: Tensor, sixteenth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give maps of logits (N, 7, S / 4, S / 4), validity logits (N,), features (N, 48, S / 8, S / 8)."""
        context = self.context(sixteenth)
        middle = self.from_sixteenth(sixteenth) + _doubled(self.high(context))
        low = self.from_eighth(eighth) + _doubled(self.middle(middle))
        features = self.low[0](low)
        maps = nn.functional.pixel_shuffle(self.low[1](features), 2)
        return maps, self.validity(context.mean((2, 3)))[:, 0], features


def _doubled(features: Tensor) -> Tensor:
    return nn.functional.interpolate(features, scale_factor=2, mode="nearest")


class LandmarkNetwork(nn.Module):  # type: ignore[misc]
    """The shipped graph: landmarks, peaks and validity of every fold."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Trunk()
        self.folds = nn.ModuleList([Fold() for _ in range(FOLDS)])
        # One map of the heart, which teaches only, and one of each edge.
        self.guides = nn.ModuleList([nn.Conv2d(DECODER_CHANNELS[-1], 1 + EDGES, 1) for _ in range(FOLDS)])

    def maps(self, letterbox: Tensor, blocks: int) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Give each fold's maps, validity and guides of its own blocks of rows; see `own_blocks`."""
        features = [own_blocks(part, blocks) for part in self.trunk(letterbox)]
        answers = [fold(*own) for fold, *own in zip(self.folds, *features, strict=True)]
        return [
            (maps, validity, guide(last))
            for guide, (maps, validity, last) in zip(self.guides, answers, strict=True)
        ]

    def forward(self, letterbox: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give landmarks (N, 5, 7, 2), peaks (N, 5, 7) and validity (N, 5) of squares (N, 1, 512, 512).

        Of everything a fold's answer is the mean of what it makes of the square and of the square mirrored.
        """
        views = torch.stack([letterbox, letterbox.flip(-1)], 1).flatten(0, 1)
        features = self.trunk(views)
        answers = [fold(*features) for fold in self.folds]
        edges = [guide(last)[:, 1:] for guide, (_, _, last) in zip(self.guides, answers, strict=True)]
        opinions = decode_jointly(
            _opinions([maps for maps, _, _ in answers]).flatten(1, 2), _opinions(edges).flatten(1, 2)
        )
        landmarks, peaks = (each.unflatten(1, (VIEWS, FOLDS)) for each in opinions)
        validity = _opinions([validity for _, validity, _ in answers])
        return of_both_views(landmarks, peaks), peaks.mean(1), validity.mean(1)


def of_both_views(landmarks: Tensor, peaks: Tensor) -> Tensor:
    """Turn the mirrored view's landmarks back, and give the mean of both views, (N, 5, 7, 2).

    It is weighed by the squares of the peaks: where both views are sure they agree, and where not, one has
    mostly lost count.

    Parameters
    ----------
    landmarks
        (N, 2, 5, 7, 2), fractions of the side, the mirrored view last.
    peaks
        (N, 2, 5, 7).
    """
    is_mirrored = torch.tensor([[[False, False]], [[True, False]]])[:, None]
    landmarks = torch.where(is_mirrored, 1 - landmarks, landmarks)
    weights = peaks.square().clamp(min=1e-6).unsqueeze(-1)
    return (landmarks * weights).sum(1) / weights.sum(1)


def _opinions(answers: list[Tensor]) -> Tensor:
    """Sort what each fold makes of a batch, (2 N, ...), view after view of each picture: (N, 2, 5, ...)."""
    return torch.stack(answers, 1).unflatten(0, (-1, VIEWS))


def own_blocks(rows: Tensor, blocks: int) -> list[Tensor]:
    """Deal a batch to the folds: of as many blocks as there are folds, each gets its own and the next ones.

    Parameters
    ----------
    rows
        (N, ...), N a multiple of the number of folds.
    blocks
        How many a fold gets.
    """
    parts = rows.chunk(FOLDS)
    return [torch.cat([parts[(fold + ahead) % FOLDS] for ahead in range(blocks)]) for fold in range(FOLDS)]
