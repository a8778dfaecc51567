"""The steps on JAX: functions from the values of all variables to new ones, for one device or a mesh of many.

Keras compiles them. If `keras.distribution.DataParallel` shares the batch, one program runs on all devices: sums over
the batch, in losses and batch statistics, are sums over the global batch, without any communication of ours.
"""

import jax
import keras
from jax import numpy as jnp

from keras_centernet.fitting.step import finish, loss_of, measure, no_loss, prepare, split_batch


def train_step(model: keras.Model, state: tuple, data: tuple) -> tuple[dict, tuple]:
    """Trains on a batch; returns the metrics and the new state.

    Args:
        model: `TaskModel`.
        state: lists of the values of its trainable, non-trainable, optimizer and metrics variables.
        data: (images, objects).
    """
    of_model = model.trainable_variables, model.non_trainable_variables
    variables = (*of_model, model.optimizer.variables, model.metrics_variables)
    with keras.StatelessScope(_pairs(variables, state)) as scope:
        batch, divisors = prepare(model, data)
        metrics = finish(model, *_differentiate(model, batch, divisors), apply=_apply)
    return metrics, _values(scope, variables)


def test_step(model: keras.Model, state: tuple, data: tuple) -> tuple[dict, tuple]:
    """Measures the losses of a batch; returns the metrics and the new state, which has no optimizer."""
    variables = model.trainable_variables, model.non_trainable_variables, model.metrics_variables
    with keras.StatelessScope(_pairs(variables, state)) as scope:
        metrics = measure(model, data)
    return metrics, _values(scope, variables)


def _differentiate(model, batch: tuple, divisors: dict) -> tuple[list, tuple]:
    """Returns gradients and losses, summed over micro-batches; updates the batch statistics in the caller's scope."""
    others = model.non_trainable_variables
    fixed = [(variable, variable.value) for variable in model.optimizer.variables]  # the loss scale is among them

    def loss_from(weights, moved, micro_batch):
        mapping = fixed + _pairs((model.trainable_variables, others), (weights, moved))
        with keras.StatelessScope(mapping) as scope:
            scaled, losses = loss_of(model, micro_batch, divisors)
        return scaled, (losses, *_values(scope, (others,)))

    differentiate = jax.grad(loss_from, has_aux=True)
    weights, moved = ([variable.value for variable in group] for group in (model.trainable_variables, others))
    if model.accumulate == 1:
        gradients, (losses, moved) = differentiate(weights, moved, batch)
    else:
        parted = split_batch(batch, model.accumulate)

        def add_micro_batch(total, i):
            gradients, losses, moved = total
            micro_batch = jax.tree.map(lambda values: jax.lax.dynamic_index_in_dim(values, i, 1, False), parted)
            more_gradients, (more_losses, moved) = differentiate(weights, moved, micro_batch)
            sums = jax.tree.map(jnp.add, (gradients, losses), (more_gradients, more_losses))
            return (*sums, moved), None

        start = jax.tree.map(jnp.zeros_like, weights), jax.tree.map(jnp.float32, no_loss(divisors)), moved
        (gradients, losses, moved), _ = jax.lax.scan(add_micro_batch, start, jnp.arange(model.accumulate))
    for variable, value in zip(others, moved, strict=True):
        variable.assign(value)
    return gradients, losses


def _apply(model, gradients: list) -> None:
    """Updates the weights by `stateless_apply`: `apply` of a `LossScaleOptimizer` would branch on values."""
    variables = model.trainable_variables, model.optimizer.variables
    weights, state = ([variable.value for variable in group] for group in variables)
    for group, values in zip(variables, model.optimizer.stateless_apply(state, gradients, weights), strict=True):
        for variable, value in zip(group, values, strict=True):
            variable.assign(value)


def _pairs(groups: tuple, values: tuple) -> list[tuple]:
    return [pair for group, of_group in zip(groups, values, strict=True) for pair in zip(group, of_group, strict=True)]


def _values(scope: keras.StatelessScope, groups: tuple) -> tuple[list, ...]:
    return tuple([scope.get_current_value(variable) for variable in group] for group in groups)
