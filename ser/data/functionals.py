"""Statistics over the frames of an utterance: from a sequence of any length to one vector for a fitted model.

The twelve of Schuller, Steidl, Batliner, "The INTERSPEECH 2009 Emotion Challenge", 2009, Table 1, and the quantiles
and the centroid that statistics of prosody add. All are of a column x_1 ... x_n alone, n frames; time runs from t_1 = 0
to t_n = 1 evenly, whatever n is. Of a single frame, and of a constant column, everything is defined.
"""

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ser.errors import BadInput

VERSION = 1  # where it goes up, so does that of every front-end and model whose numbers change with it
Vector = npt.NDArray[np.float64]


class _Columns:
    """What several functionals share; each is computed once, when first asked for."""

    def __init__(self, frames: npt.NDArray[np.float32]) -> None:
        self.rows = np.ascontiguousarray(frames.T)  # [width, frames]: along a row, memory and time run together

    @cached_property
    def mean(self) -> Vector:
        return np.asarray(self.rows.mean(axis=1, dtype=np.float64))

    @cached_property
    def centred(self) -> Vector:
        """Zero throughout where a column is constant: a mean in float64 may miss its value by a rounding."""
        centred = self.rows - self.mean[:, None]
        centred[self.at(0) == self.at(1)] = 0
        return centred

    @cached_property
    def std(self) -> Vector:
        return np.asarray(np.sqrt(np.square(self.centred).mean(axis=1)))

    @cached_property
    def standard(self) -> Vector:
        """Mean 0 and variance 1; zero throughout where a column is constant."""
        return self.centred / np.where(self.std > 0, self.std, 1)[:, None]

    @cached_property
    def time(self) -> Vector:
        """Centred: from -1/2 to 1/2; a single frame is at 0."""
        return np.linspace(0, 1, self.rows.shape[1]) - (0.5 if self.rows.shape[1] > 1 else 0)

    @cached_property
    def slope(self) -> Vector:
        return np.asarray(self.centred @ self.time / (float(self.time @ self.time) or 1))

    def residual(self) -> Vector:
        return np.asarray(np.square(self.centred - self.slope[:, None] * self.time).mean(axis=1))

    @cached_property
    def ordered(self) -> npt.NDArray[np.float32]:
        return np.sort(self.rows, axis=1)

    def at(self, share: float) -> Vector:
        """Quantiles, interpolated linearly between the two nearest values."""
        place = share * (self.rows.shape[1] - 1)
        below = int(place)
        low, high = (self.ordered[:, i].astype(np.float64) for i in (below, min(below + 1, self.rows.shape[1] - 1)))
        return np.asarray(low + (place - below) * (high - low))

    def centroid(self) -> Vector:
        """Mean time from 0 to 1, weighed by magnitude; 0 of a column of zeros."""
        weights = np.abs(self.rows)
        total = weights.sum(axis=1, dtype=np.float64)
        centred = weights @ self.time / np.where(total > 0, total, 1)
        return np.where(total > 0, centred - self.time[0], 0)

    def position(self, places: npt.NDArray[np.intp]) -> Vector:
        return np.asarray(places / max(self.rows.shape[1] - 1, 1))


_FUNCTIONALS: dict[str, Callable[[_Columns], Vector]] = {
    "mean": lambda c: c.mean,
    "std": lambda c: c.std,
    "min": lambda c: c.at(0),
    "max": lambda c: c.at(1),
    "range": lambda c: c.at(1) - c.at(0),
    "median": lambda c: c.at(0.5),
    "skewness": lambda c: np.asarray((c.standard**3).mean(axis=1)),
    "kurtosis": lambda c: np.where(c.std > 0, np.square(np.square(c.standard)).mean(axis=1) - 3, 0),
    "q25": lambda c: c.at(0.25),
    "q75": lambda c: c.at(0.75),
    "q10": lambda c: c.at(0.1),
    "q90": lambda c: c.at(0.9),
    "decile_range": lambda c: c.at(0.9) - c.at(0.1),
    "centroid": lambda c: c.centroid(),
    "min_position": lambda c: c.position(c.rows.argmin(axis=1)),
    "max_position": lambda c: c.position(c.rows.argmax(axis=1)),
    "slope": lambda c: c.slope,
    "offset": lambda c: c.mean + c.slope * c.time[0],
    "regression_error": lambda c: c.residual(),
}
NAMES = tuple(_FUNCTIONALS)


def size(width: int, names: Sequence[str]) -> int:
    """Returns the length of what ``functionals`` gives. Raises BadInput for a name that it does not know."""
    for name in names:
        if name not in _FUNCTIONALS:
            raise BadInput(repr(name), "functionals", ", ".join(NAMES), "name some of these")
    return width * len(names)


def functionals(frames: npt.NDArray[np.float32], names: Sequence[str]) -> Vector:
    """float64 [width * len(names)] of float32 [frames, width]: the first functional of all columns, then the second...

    - mean; std = sqrt(mean((x - mean)^2)); min, max; range = max - min
    - median, q10, q25, q75, q90: quantiles, interpolated linearly; decile_range = q90 - q10
    - skewness = mean(((x - mean) / std)^3), kurtosis = mean(((x - mean) / std)^4) - 3; both 0 of a constant
    - min_position, max_position: the time t of the first least and of the first greatest value
    - centroid = sum(t |x|) / sum(|x|); 0 of zeros
    - slope a and offset b of the line a t + b with the least regression_error = mean((x - a t - b)^2); slope 0 of a
      single frame

    Raises BadInput for an unknown name, and where there is no frame.

    >>> functionals(np.array([[0, 5], [1, 5], [5, 5]], np.float32), ["mean", "max", "max_position", "slope"]).tolist()
    [2.0, 5.0, 5.0, 5.0, 1.0, 0.0, 5.0, 0.0]
    """
    size(frames.shape[1], names)
    if not len(frames):
        raise BadInput("0 frames", "functionals", "1 or more", "leave the utterance out")
    columns = _Columns(frames)
    return np.concatenate([np.zeros(0), *(_FUNCTIONALS[name](columns) for name in names)])


def of_contour(values: npt.NDArray[np.float32] | Vector, names: Sequence[str]) -> Vector:
    """``functionals`` of a single column, given as [frames], in float32; of no frames, those of one frame of 0.

    A contour of the voiced frames has none where there is no voice.
    """
    frames = values if len(values) else np.zeros(1)
    return functionals(frames.astype(np.float32)[:, None], names)
