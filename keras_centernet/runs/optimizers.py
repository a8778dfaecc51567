"""The optimizers and the schedules of the learning rate; each has a row in a table."""

import dataclasses
from collections.abc import Callable, Sequence

STEP_FRACTIONS = (90 / 140, 120 / 140)  # As published: divide by ten after epochs 90 and 120 of 140
ADAM_EPSILON = 1e-8  # PyTorch's Adam; Keras' default is 1e-7
UNDECAYED = ("bias", "beta", "gamma")


def build_optimizer(settings, steps_per_epoch: int, rates: dict[str, float] | None = None, by_adam: Sequence[str] = ()):
    """Returns the Keras optimizer of a run's settings.

    `rates` are those of `fitting.optimizers.PartwiseAdam`, `by_adam` those of `fitting.optimizers.Muon`.
    """
    rate = build_schedule(settings, steps_per_epoch)
    options = {"clipnorm": None, "global_clipnorm": settings.clip_norm or None}
    if rates:
        options["rates"] = rates
    return OPTIMIZERS[settings.optimizer](settings, rate, options, by_adam)


def build_schedule(settings, steps_per_epoch: int):
    """Returns the learning rate of a run: a number, or a Keras schedule over the steps of the optimizer."""
    return SCHEDULES[settings.schedule].build(settings, steps_per_epoch)


def describe_rate(settings) -> str:
    """Returns what the learning rate of a run does, in a few words."""
    return SCHEDULES[settings.schedule].describe(settings)


def _adamw(settings, rate, options: dict, by_adam: Sequence[str]):
    import keras

    if "rates" in options:
        from keras_centernet.fitting.optimizers import PartwiseAdam

        return PartwiseAdam(rate, weight_decay=settings.weight_decay, undecayed=UNDECAYED, **options)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay, **options)
    optimizer.exclude_from_weight_decay(var_names=list(UNDECAYED))
    return optimizer


def _muon(settings, rate, options: dict, by_adam: Sequence[str]):
    from keras_centernet.fitting.optimizers import Muon

    return Muon(rate, by_adam, weight_decay=settings.weight_decay, undecayed=UNDECAYED, **options)


def _adam(settings, rate, options: dict, by_adam: Sequence[str]):
    import keras

    from keras_centernet.fitting.optimizers import PartwiseAdam

    kind = PartwiseAdam if "rates" in options else keras.optimizers.Adam
    return kind(rate, epsilon=ADAM_EPSILON, **options)


def _cosine(settings, steps_per_epoch: int):
    import keras

    rate, total = settings.learning_rate, round(settings.epochs * steps_per_epoch)
    warmup = min(round(settings.warmup_epochs * steps_per_epoch), total // 2)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=rate / 100 if warmup else rate,
        decay_steps=max(1, total - warmup),
        warmup_target=rate if warmup else None,
        warmup_steps=warmup,
        alpha=0.01,
    )


def _describe_cosine(settings) -> str:
    warmup = min(settings.warmup_epochs, settings.epochs / 2)
    beginning = f"{warmup:g} {'epoch' if warmup == 1 else 'epochs'} of warm-up, then " if warmup else ""
    return f"at most {settings.learning_rate:g}, {beginning}a cosine"


def _step(settings, steps_per_epoch: int):
    import keras

    rate, after = settings.learning_rate, _drops(settings)
    # In Keras the boundary step still has the old rate; the first step of the next epoch is epoch * steps_per_epoch.
    boundaries = [round(epoch * steps_per_epoch) - 1 for epoch in after]
    values = [rate / 10**drops for drops in range(len(after) + 1)]
    return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, values)


def _describe_step(settings) -> str:
    return f"{settings.learning_rate:g}, a tenth after epochs {', '.join(f'{epoch:g}' for epoch in _drops(settings))}"


def _drops(settings) -> list:
    """Returns the epochs after which the rate is divided by ten."""
    return settings.step_epochs or [max(1, round(fraction * settings.epochs)) for fraction in STEP_FRACTIONS]


def _constant(settings, steps_per_epoch: int) -> float:
    return settings.learning_rate


# Functions (settings, learning rate or schedule, further options, paths that Muon leaves to Adam) -> Keras optimizer.
OPTIMIZERS: dict[str, Callable] = {"adamw": _adamw, "adam": _adam, "muon": _muon}


@dataclasses.dataclass(frozen=True)
class Schedule:
    """One row of the table of schedules.

    Attributes:
        build: function of (settings, steps per epoch) -> learning rate or Keras schedule.
        describe: function of settings -> what the rate does, in a few words.
        depends_on_epochs: function of settings -> whether the rate of a step depends on the number of epochs.
    """

    build: Callable
    describe: Callable
    depends_on_epochs: Callable


SCHEDULES = {
    "cosine": Schedule(_cosine, _describe_cosine, lambda settings: True),
    "step": Schedule(_step, _describe_step, lambda settings: settings.step_epochs is None),
    "constant": Schedule(_constant, lambda settings: f"{settings.learning_rate:g}, constant", lambda settings: False),
}
