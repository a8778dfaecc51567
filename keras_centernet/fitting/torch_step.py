"""The steps on PyTorch, run eagerly by Keras, on one device."""

import operator

import keras
import torch

from keras_centernet.fitting.step import finish, loss_of, measure, no_loss, prepare, split_batch


def train_step(model: keras.Model, data: tuple) -> dict:
    """Trains on a batch and returns the metrics."""
    with torch.no_grad():
        batch, divisors = prepare(model, data)
    model.zero_grad()  # drops those of the previous step
    losses = no_loss(divisors)
    for micro_batch in _micro_batches(batch, model.accumulate):
        scaled, more = loss_of(model, micro_batch, divisors)
        scaled.backward()  # adds to the gradients
        losses = keras.tree.map_structure(lambda total, value: total + value.detach(), losses, more)
    weights = [variable.value for variable in model.trainable_weights]
    gradients = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in weights]
    with torch.no_grad():
        return finish(model, gradients, losses)


def test_step(model: keras.Model, data: tuple) -> dict:
    """Measures the losses of a batch and returns the metrics."""
    return measure(model, data)


def _micro_batches(batch: tuple, count: int):
    if count == 1:
        return [batch]
    parted = split_batch(batch, count)
    return [keras.tree.map_structure(operator.itemgetter((slice(None), i)), parted) for i in range(count)]
