"""Distillation in the latent space: the tokens of the student learn to predict those of the teacher for the slices.

The frozen teacher sees slices of the crop across all three axes, each a random plane of a layer of patches. The student's
tokens t are gathered along deformable tubes through the token grid, so that they follow the neurite: with
views v along the axes, taps i = -2 ... 2 and offsets o_vi that a linear layer predicts from t(p) and that grow outward
from p (`nets/tubular.py`; 0 at the start),

    g(p) = sum_v sum_i f_vi t(p + i e_v + o_vi),   f a softmax over all taps, at the start nearly all on p itself.

A linear projector of each view, dropped with the rest after training, leads from g to the teacher's channels, and

    L = mean over tokens of  1 - cos(P g, T) + smoothL1(norm(P g), T),

T the teacher's normalised tokens, averaged over its middle blocks: the last ones of small ViTs carry outliers (Darcet et
al. 2024, arXiv 2309.16588). Cheng et al. 2024 (arXiv 2410.22078) transfer in the latent embedding space by a loss that
they do not print; this is our reading.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from neurorecon.core.errors import SettingsError
from neurorecon.nets.config import STRIDE
from neurorecon.nets.tubular import VIEWS, accumulate
from neurorecon.training.settings import TeacherSettings
from neurorecon.training.teaching.teacher import Teacher, normalised

__all__ = ["Distiller", "TokenTubes"]

# Set by hand; not tuned, unless a line says more.
REACH = 2  # taps on each side of a token
BEND = 2.0  # tokens that a tube may leave its axis by
OWN = 4.0  # logit of a tube's middle tap at the start: 0.87 of the weight is the token's own, in all views together
SMOOTH = 1.0  # where the smooth L1 turns from square to straight, in deviations


class TokenTubes(nn.Module):
    """Gathers the tokens of a tile along deformable tubes."""

    def __init__(self, width: int) -> None:
        """Make straight tubes."""
        super().__init__()
        taps = 2 * REACH + 1
        self.predict = nn.Linear(width, 3 * taps * 2)
        nn.init.zeros_(self.predict.weight)
        nn.init.zeros_(self.predict.bias)
        weight = torch.zeros(3, taps)
        weight[:, REACH] = OWN
        self.weight = nn.Parameter(weight)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return gathered tokens (B, C, z, y, x) of tokens of the same shape, float32."""
        batch, channels, *grid = tokens.shape
        taps = 2 * REACH + 1
        steps = self.predict(tokens.movedim(1, -1)).reshape(batch, *grid, 3, taps, 2)
        across = accumulate(steps, torch.full((2,), BEND, device=tokens.device))  # (B, z, y, x, 3, taps, 2)
        along = torch.arange(-REACH, REACH + 1.0, device=tokens.device).expand(across.shape[:-1])
        own = torch.stack(torch.meshgrid(*(torch.arange(n, device=tokens.device) for n in grid), indexing="ij"), -1)
        size = torch.tensor(grid, device=tokens.device, dtype=torch.float32)
        share = self.weight.flatten().softmax(0).reshape(3, taps)
        out = torch.zeros_like(tokens)
        for v, axes in enumerate(VIEWS):
            local = (along[..., v, :], across[..., v, :, 0], across[..., v, :, 1])
            offset = torch.stack([local[axes.index(axis)] for axis in range(3)], -1)  # (B, z, y, x, taps, 3)
            place = ((own[:, :, :, None] + offset) * 2 + 1) / size - 1
            flat = place.flip(-1).reshape(batch, grid[0], grid[1], grid[2] * taps, 3)
            seen = functional.grid_sample(tokens, flat, padding_mode="border", align_corners=False)
            out = out + (seen.reshape(batch, channels, *grid, taps) * share[v]).sum(-1)
        return out


class Distiller(nn.Module):
    """The loss in the latent space, with everything that only it needs."""

    def __init__(self, width: int, teacher: Teacher, settings: TeacherSettings) -> None:
        """Make straight tubes and projectors from the student's `width`.

        Raises:
            SettingsError: if the slices, zoomed, do not hold whole patches, or the teacher has no such blocks.
        """
        super().__init__()
        if settings.zoom * STRIDE % teacher.patch:
            raise SettingsError(
                f"teacher: zoom {settings.zoom:g} makes {settings.zoom * STRIDE:g} pixels of {STRIDE} voxels, not a multiple "
                f"of the {teacher.patch} of a patch of {teacher.name}; give zoom = {teacher.patch / STRIDE:g}"
            )
        if settings.distil_blocks[1] >= teacher.depth:
            raise SettingsError(f"teacher: distil_blocks {settings.distil_blocks}: {teacher.name} has {teacher.depth}")
        self.teacher = teacher
        self.settings = settings
        self.tubes = TokenTubes(width)
        self.project = nn.ModuleList(nn.Linear(width, teacher.width) for _ in range(3))

    def forward(self, images: Tensor, tokens: Tensor) -> Tensor:
        """Return the loss, a scalar, of student tokens (B, C, z, y, x) for images (B, 1, Z, Y, X)."""
        gathered = self.tubes(tokens.float())
        losses = []
        for axis in range(3):
            planes = self.drawn(tokens.shape[2 + axis]).to(tokens.device)
            inside = torch.randint(STRIDE, planes.shape).to(tokens.device)
            slices = images[:, 0].index_select(1 + axis, planes * STRIDE + inside).movedim(1 + axis, 1).flatten(0, 1)
            said = self.teacher.tokens(slices.float(), self.settings.distil_blocks, self.settings.zoom)
            mine = gathered.index_select(2 + axis, planes).movedim(2 + axis, 1).flatten(0, 1)  # (B n, C, h, w)
            if said.shape[2:] != mine.shape[2:]:
                said = functional.adaptive_avg_pool2d(said, mine.shape[2:])
            losses.append(matching_loss(self.project[axis](mine.movedim(1, -1)).movedim(-1, 1), said))
        return torch.stack(losses).mean()

    def drawn(self, count: int) -> Tensor:
        """Draw the layers of patches that the teacher gets."""
        return torch.randperm(count)[: max(1, round(self.settings.slices * count))]


def matching_loss(mine: Tensor, said: Tensor) -> Tensor:
    """Return cosine distance plus smooth L1 of tokens (N, C, h, w), averaged over tokens."""
    turned = 1 - functional.cosine_similarity(mine, said, dim=1).mean()
    return turned + functional.smooth_l1_loss(normalised(mine), said, beta=SMOOTH)
