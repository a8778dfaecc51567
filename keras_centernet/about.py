"""A model's licence and metrics, which its files hold beside the configuration that rebuilds the model."""

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Mapping

from keras_centernet.errors import UserError, shown

_MOST_TEXT = 200  # characters
_MOST_METRICS = 1000
LICENCE, METRICS = "licence", "metrics"  # keys in files


@dataclasses.dataclass(frozen=True)
class About:
    """Licence and metrics of a model; both go into every file that it writes, and are read back from `.keras` files.

    Attributes:
        licence: one line, such as "apache-2.0"; None: unspecified.
        metrics: {name: number}, such as {"AP": 0.41}, of the weights as they are.

    Raises:
        UserError: the licence is not such a line, or a metric is not a finite number.

    Examples:
        >>> About("mit", {"AP": 0.25}).to_dict(), About().to_dict()
        ({'licence': 'mit', 'metrics': {'AP': 0.25}}, {})
    """

    licence: str | None = None
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        if self.licence is not None and not _is_text(self.licence):
            raise UserError(f"licence: expected a line of up to {_MOST_TEXT} characters, got {shown(self.licence)}.")
        if not isinstance(self.metrics, Mapping) or len(self.metrics) > _MOST_METRICS:
            raise UserError(f"metrics: expected up to {_MOST_METRICS} numbers by name, got {shown(self.metrics)}.")
        for name, value in self.metrics.items():
            if not (_is_text(name) and _is_number(value)):
                raise UserError(f"metrics: expected finite numbers by name, got {shown({name: value})}.")
        object.__setattr__(self, METRICS, dict(self.metrics))

    def to_dict(self) -> dict:
        """Returns {"licence", "metrics"} as JSON holds them, without those that are unspecified."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value}

    @classmethod
    def from_dict(cls, content) -> "About":
        """Returns the `About` from a dict of `to_dict`, ignoring other keys; raises a UserError for other values."""
        if not isinstance(content, dict):
            raise UserError(f"about: expected licence and metrics by name, got {shown(content)}.")
        return cls(**{name: content[name] for name in (LICENCE, METRICS) if name in content})


@contextlib.contextmanager
def measured(model, metrics: Mapping[str, float]) -> Iterator[None]:
    """Returns a context in which `model.about` holds these metrics, so that files written inside it record them.

    Args:
        model: `CenterNet`.
        metrics: {name: number}; numbers that are not finite are left out.
    """
    kept = model.about
    model.about = dataclasses.replace(kept, metrics={key: one for key, one in metrics.items() if math.isfinite(one)})
    try:
        yield
    finally:
        model.about = kept


def _is_text(value) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MOST_TEXT and value.isprintable()


def _is_number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
