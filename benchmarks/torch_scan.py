"""The selective scan in plain PyTorch, to be measured against: a loop and a parallel prefix.

Arrays lie as in public implementations: u and delta b d l, where d are the channels of all
directions, A d n, B and C b k n l, D d. Both forms hold the decay and the drive of every step,
b d l n, as those do.
"""

from typing import Any

import torch
from torch import Tensor


def loop(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
    """Scan step by step."""
    decay, drive, C = _coefficients(u, delta, A, B, C)
    h, outputs = torch.zeros_like(drive[:, :, 0]), []
    for t in range(u.shape[2]):
        h = decay[:, :, t] * h + drive[:, :, t]
        outputs.append(torch.einsum("bdn,bdn->bd", h, C[..., t]))
    return torch.stack(outputs, 2) + D[:, None] * u


def prefix(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
    """Scan by a parallel prefix, in 2 log2(l) rounds, with a gradient of the same form."""
    decay, drive, C = _coefficients(u, delta, A, B, C)
    states: Any = _Prefix.apply(decay, drive)
    return torch.einsum("bdln,bdnl->bdl", states, C) + D[:, None] * u


def _coefficients(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute exp(delta A) and delta B u, [b d l n], and repeat C per channel, [b d n l]."""
    B, C = (x.repeat_interleave(u.shape[1] // x.shape[1], 1) for x in (B, C))
    decay = torch.exp(torch.einsum("bdl,dn->bdln", delta, A))
    return decay, torch.einsum("bdl,bdnl,bdl->bdln", delta, B, u), C


def _states(decay: Tensor, drive: Tensor) -> Tensor:
    """Solve h_t = decay_t h_{t-1} + drive_t: odd steps by recursion, then even ones from them."""
    length = drive.shape[2]
    if length == 1:
        return drive
    even = length // 2 * 2
    first, second = decay[:, :, 0:even:2], decay[:, :, 1:even:2]
    pairs = torch.addcmul(drive[:, :, 1:even:2], second, drive[:, :, 0:even:2])
    pairs = _states(first * second, pairs)
    states = torch.empty_like(drive)
    states[:, :, 1::2] = pairs
    states[:, :, 0] = drive[:, :, 0]
    before = pairs[:, :, : (length - 1) // 2]
    states[:, :, 2::2] = torch.addcmul(drive[:, :, 2::2], decay[:, :, 2::2], before)
    return states


class _Prefix(torch.autograd.Function):
    """The states and their gradient, which is the same recurrence in reverse."""

    @staticmethod
    def forward(ctx: Any, decay: Tensor, drive: Tensor) -> Tensor:
        states = _states(decay, drive)
        ctx.save_for_backward(decay, states)
        return states

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        decay, states = ctx.saved_tensors
        later = torch.cat([decay[:, :, 1:], torch.zeros_like(decay[:, :, :1])], 2)
        drive = _states(later.flip(2), gradient.flip(2)).flip(2)
        before = torch.cat([torch.zeros_like(states[:, :, :1]), states[:, :, :-1]], 2)
        return drive * before, drive
