"""The blend: each lead block's members weighted by what they were worth, and its spread brought to nominal coverage.

Weights are those of a simplex grid with the least pinball loss of the averaged quantiles on a stretch of history that
no member was fitted on; averaging quantiles keeps them from crossing. Calibration then shifts each level by the
quantile of its own errors, in units of the forecast's 80 % width (normalised conformal), shrunk where the stretch is
short.

Source: Lichtendahl, Grushka-Cockayne & Winkler (2013), Management Science 59(7), 1594-1611 (averaging quantiles);
Romano, Patterson & Candes (2019), Conformalized Quantile Regression, NeurIPS 32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations, product

import numpy as np
import numpy.typing as npt

from forecasting.features import Frame
from forecasting.leads import BLOCKS
from forecasting.members import BASELINES, UNFITTED_WEIGHTS
from forecasting.score import pinball
from forecasting.settings import Mode
from gridcore.forecast import QUANTILES

GRID = 20
"""Steps of a weight: 5 % is finer than three weeks of validation can tell apart."""

COARSE = 5
"""Steps of the grid that the search for weights begins on."""

MAX_ROWS = 3000
"""Rows that weights are chosen on, evenly taken."""

SHRINK_ROWS = 2000
"""Validation rows at which a calibration shift counts half; rows of one day are far from independent."""

MAX_SHIFT = 0.5
"""Largest calibration shift, share of the 80 % width."""

KNOWN_SHARE = 0.9
"""Share of a block's values that a member must know to take part in it, of the targets that it ever speaks of."""

MOST_NAMES = 3
"""Targets that a note names before it counts the rest."""

P10, MEDIAN, P90 = QUANTILES.index(0.1), QUANTILES.index(0.5), QUANTILES.index(0.9)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BlockBlend:
    """Weights and calibration of one lead block."""

    weights: Mapping[str, float]
    """Weight of each member, 0 or more, their sum 1."""

    pinball: Mapping[str, float]
    """Each member's own pinball loss on the validation rows, share of size; `blend` is the blend's."""

    shift: tuple[float, ...]
    """Calibration of each level, share of the 80 % width, shape (quantiles,)."""

    rows: int
    """Validation rows."""


def unfitted(mode: Mode) -> tuple[BlockBlend, ...]:
    """The blend where nothing could be measured."""
    return tuple(BlockBlend(weights, {}, (0.0,) * len(QUANTILES), 0) for weights in UNFITTED_WEIGHTS[mode])


def fit_blend(members: Mapping[str, Floats], truth: Floats, frame: Frame) -> tuple[BlockBlend, ...]:
    """Weights and calibration of each lead block.

    A member that does not know a value (the official series beyond its last day) is left out of blocks where it knows
    less than nine values of ten. Targets that it never knows do not count: an official series that one farm lacks
    still serves the others. A block without rows takes its neighbour's.

    Args:
        members: Quantile forecasts of a stretch that none was fitted on, (issue times, targets, steps, quantiles).
        truth: Shape (issue times, targets, steps), NaN where unknown or curtailed.
        frame: Their questions.
    """
    usable = np.isfinite(truth) & ~frame.is_down
    block = np.broadcast_to(frame.question.block[:, None, :], truth.shape)
    fitted: list[BlockBlend | None] = []
    for index in range(len(BLOCKS[frame.question.mode])):
        chosen = usable & (block == index)
        share = _known_shares(members, chosen, frame)
        taking = {name: value[chosen] for name, value in members.items() if share[name] >= KNOWN_SHARE}
        fitted.append(_fit_block(taking, truth[chosen]))
    default = unfitted(frame.question.mode)
    known = [index for index, item in enumerate(fitted) if item is not None]
    result = []
    for index, item in enumerate(fitted):
        nearest = min(known, key=lambda other: (abs(other - index), other), default=None)
        taken = item or (default[index] if nearest is None else fitted[nearest]) or default[index]
        if item is None:
            taken = _among(taken, _known_shares(members, (block == index) & ~frame.is_down, frame))
        result.append(taken)
    return tuple(result)


def combine(members: Mapping[str, Floats], blends: Sequence[BlockBlend], frame: Frame) -> Floats:
    """The blended and calibrated quantiles, shape (issue times, targets, steps, quantiles); NaN where no member knows.

    Where a member is unknown the others share its weight; where only members without weight know a value, the first of
    them in the order given.
    """
    shape = (*frame.sun.shape, len(QUANTILES))
    total, weight = np.zeros(shape), np.zeros(frame.sun.shape)
    spare = np.full(shape, np.nan)
    for name, value in members.items():
        by_block = np.array([blend.weights.get(name, 0.0) for blend in blends])
        share = by_block[frame.question.block][:, None, :] * np.isfinite(value[..., MEDIAN])
        total += np.where(share[..., None] > 0, value, 0.0) * share[..., None]
        weight += share
        spare = np.where(np.isfinite(spare), spare, value)
    known = weight[..., None] > 0
    blended = np.where(known, total / np.where(known, weight[..., None], 1.0), spare)
    shift = np.array([blend.shift for blend in blends])[frame.question.block][:, None, :, :]
    return calibrated(blended, shift)


def left_out(members: Mapping[str, Floats], truth: Floats, frame: Frame, targets: Sequence[str]) -> tuple[str, ...]:
    """Where baselines do not take part and why, in words; what a member never says of a whole block is none of it.

    Args:
        members: As in `fit_blend`.
        truth: As in `fit_blend`.
        frame: As in `fit_blend`.
        targets: Target names, in the frame's order.
    """
    notes = []
    usable = np.isfinite(truth) & ~frame.is_down
    block = np.broadcast_to(frame.question.block[:, None, :], truth.shape)
    shares = [_known_shares(members, usable & (block == n), frame) for n in range(len(BLOCKS[frame.question.mode]))]
    for name in BASELINES:
        lacking = [target for target, knows in zip(targets, _who_knows(members[name], frame), strict=True) if not knows]
        if lacking:
            more = f" and {len(lacking) - MOST_NAMES} more" if len(lacking) > MOST_NAMES else ""
            notes.append(f"{name} left out for {', '.join(lacking[:MOST_NAMES])}{more}: never known")
        for words, share in zip(BLOCKS[frame.question.mode], shares, strict=True):
            if 0 < share[name] < KNOWN_SHARE:
                known, wanted = f"{share[name]:.0%}", f"{KNOWN_SHARE:.0%}"
                notes.append(f"{name} left out of {words}: {known} of its values known, wanted {wanted}")
    return tuple(notes)


def _who_knows(member: Floats, frame: Frame) -> npt.NDArray[np.bool_]:
    """Targets of which a member ever says something by day (at night all know zero), shape (targets,)."""
    return np.asarray((np.isfinite(member[..., MEDIAN]) & ~frame.is_down).any(axis=(0, 2)))


def _known_shares(members: Mapping[str, Floats], chosen: npt.NDArray[np.bool_], frame: Frame) -> dict[str, float]:
    """Share of the chosen values that each member knows, of the targets that it ever knows.

    0 where it knows none of their targets; 1 where nothing is chosen.
    """
    shares = {}
    for name, value in members.items():
        asked = chosen & _who_knows(value, frame)[None, :, None]
        shares[name] = float(np.isfinite(value[asked, MEDIAN]).mean()) if asked.any() else float(not chosen.any())
    return shares


def _among(blend: BlockBlend, known_share: Mapping[str, float]) -> BlockBlend:
    """A neighbour's blend without members that know too little of this block, its rows not counted as ours."""
    kept = {name: weight for name, weight in blend.weights.items() if known_share.get(name, 1.0) >= KNOWN_SHARE}
    if not kept:
        return replace(blend, rows=0)
    total = sum(kept.values())
    weights = {name: weight / total if total > 0 else 1 / len(kept) for name, weight in kept.items()}
    losses = {name: loss for name, loss in blend.pinball.items() if name in weights or name == "blend"}
    return replace(blend, weights=weights, pinball=losses, rows=0)


def calibrated(forecast: Floats, shift: Floats) -> Floats:
    """Each level moved by its shift times the 80 % width, then put in order."""
    width = forecast[..., P90] - forecast[..., P10]
    return np.sort(forecast + shift * width[..., None], axis=-1)


def _fit_block(members: Mapping[str, Floats], truth: Floats) -> BlockBlend | None:
    """Weights and calibration on the rows that all members know; None where there is no row."""
    known = {name: np.isfinite(value[:, MEDIAN]) for name, value in members.items() if len(truth)}
    while known and not np.all(list(known.values()), axis=0).any():
        # Members of different targets share no row: who knows the fewest can't be weighed against the others.
        del known[min(known, key=lambda name: int(known[name].sum()))]
    if not known:
        return None
    names = list(known)
    rows = np.flatnonzero(np.all(list(known.values()), axis=0))
    stack = np.stack([members[name][rows] for name in names])
    actual = truth[rows]
    some = np.unique(np.linspace(0, len(rows) - 1, MAX_ROWS).astype(np.int64))
    weights = _best_weights(stack[:, some], actual[some])
    blended = np.tensordot(weights, stack, axes=1)
    loss = {name: float(pinball(actual, value).mean()) for name, value in zip(names, stack, strict=True)}
    loss["blend"] = float(pinball(actual, blended).mean())
    shift = _conformal_shift(blended, actual)
    return BlockBlend(dict(zip(names, weights.tolist(), strict=True)), loss, tuple(shift.tolist()), len(rows))


def _best_weights(stack: Floats, truth: Floats) -> Floats:
    """The point of the simplex grid with the least loss, shape (members,); on a tie the first one found.

    The loss is convex in the weights: the best of a coarse grid, then steps of `GRID` from one member to another while
    that helps.
    """
    count = len(stack)

    def loss_of(parts: tuple[int, ...]) -> float:
        return float(pinball(truth, np.tensordot(np.array(parts) / GRID, stack, axes=1)).mean())

    corners = product(range(0, GRID + 1, COARSE), repeat=count - 1)
    coarse = [(*parts, GRID - sum(parts)) for parts in corners if sum(parts) <= GRID]
    losses = {parts: loss_of(parts) for parts in coarse}
    best = min(losses, key=lambda parts: losses[parts])
    while True:
        near = [_moved(best, giver, taker) for giver, taker in permutations(range(count), 2) if best[giver]]
        losses |= {parts: loss_of(parts) for parts in near if parts not in losses}
        found = min((best, *near), key=lambda parts: losses[parts])
        if losses[found] >= losses[best] - 1e-12:
            return np.array(best) / GRID
        best = found


def _moved(parts: tuple[int, ...], giver: int, taker: int) -> tuple[int, ...]:
    """One step of weight from one member to another."""
    return tuple(part - (row == giver) + (row == taker) for row, part in enumerate(parts))


def _conformal_shift(forecast: Floats, truth: Floats) -> Floats:
    """Shift of each level that would have brought its coverage to nominal, shrunk, shape (quantiles,)."""
    width = forecast[:, P90] - forecast[:, P10]
    wide = width > 1e-6
    if not wide.any():
        return np.zeros(len(QUANTILES))
    score = (truth[wide, None] - forecast[wide]) / width[wide, None]
    shift = np.array([np.quantile(score[:, column], level) for column, level in enumerate(QUANTILES)])
    return np.asarray(np.clip(shift * wide.sum() / (wide.sum() + SHRINK_ROWS), -MAX_SHIFT, MAX_SHIFT))
