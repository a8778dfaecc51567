"""Adam with other learning rates for some variables, and Muon, which orthogonalises the steps of most kernels."""

import keras
from keras import ops

from keras_centernet.method.specs import Tensor


@keras.saving.register_keras_serializable(package="keras_centernet")
class PartwiseAdam(keras.optimizers.Adam):
    """Adam, or AdamW if there is a weight decay, whose steps are larger or smaller for some variables.

    (Scaling their gradients would not do it, because Adam divides by their size.) The decay of these variables has the
    same factor, as it is part of the step.

    Args:
        learning_rate: of all other variables; number or schedule.
        rates: {`variable.path`: factor of the learning rate}.
        undecayed: names of variables that have no weight decay.
        **kwargs: of `keras.optimizers.Adam`.
    """

    def __init__(self, learning_rate=0.001, rates=None, undecayed=(), **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.rates, self.undecayed = dict(rates or {}), tuple(undecayed)

    def build(self, variables):
        """Finds the variables with rates of their own, whose decay is then part of `update_step`."""
        if not self.built:
            self._factors = [self.rates.get(variable.path) for variable in variables]
            self._decays = [not any(part in variable.path for part in self.undecayed) for variable in variables]
            if self.weight_decay:
                own = [one for one, factor in zip(variables, self._factors, strict=True) if factor is not None]
                self.exclude_from_weight_decay(var_list=own, var_names=list(self.undecayed))
        super().build(variables)

    def update_step(self, gradient, variable, learning_rate):
        """Moves one variable."""
        index = self._get_variable_index(variable)
        if self._factors[index] is not None:
            learning_rate = learning_rate * self._factors[index]
            if self.weight_decay and self._decays[index]:
                rate = ops.cast(learning_rate * self.weight_decay, variable.dtype)
                self.assign_sub(variable, variable * rate)
        self.step_by_gradient(gradient, variable, learning_rate)

    def step_by_gradient(self, gradient, variable, learning_rate):
        """Moves one variable by a step at its own rate."""
        super().update_step(gradient, variable, learning_rate)

    def get_config(self):
        """Returns everything that rebuilds this optimizer without its state."""
        return super().get_config() | {"rates": dict(self.rates), "undecayed": list(self.undecayed)}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Returns the optimizer of `get_config`, also from older files with one factor for all "slow_paths"."""
        config = dict(config)
        if "slow_paths" in config:
            config["rates"] = dict.fromkeys(config.pop("slow_paths"), config.pop("slow_factor"))
        return super().from_config(config, custom_objects)


@keras.saving.register_keras_serializable(package="keras_centernet")
class Muon(PartwiseAdam):
    """Steps that are orthogonal matrices for the kernels of hidden layers, and Adam's for everything else.

    The average gradient of a kernel, as a matrix with a column for each entry of its last axis (output channels; input
    channels of a transposed convolution), becomes the nearest matrix whose singular values are 1 (almost:
    `orthogonalize`), so that what few images show is learnt as fast as what most of them show. A kernel is a variable
    of two or more axes, the last of which has more than one entry; depthwise kernels are therefore left to Adam.

    Args:
        learning_rate: number or schedule.
        by_adam: `variable.path` of further variables with Adam's steps: those that predict numbers.
        momentum: share of the old average; a step looks ahead by as much (Nesterov).
        step_rms: root mean square of the entries of a step at learning rate 1. Adam's steps have about 0.2.
        **kwargs: of `PartwiseAdam`.

    Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; sizes of steps as in Liu et
        al. 2025, "Muon is Scalable for LLM Training", with 0.6 instead of their 0.2. `keras.optimizers.Muon`
        orthogonalises matrices only, and takes Adam's steps for the kernels of convolutions.
    """

    def __init__(self, learning_rate=0.001, by_adam=(), momentum=0.95, step_rms=0.6, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.by_adam, self.momentum, self.step_rms = tuple(by_adam), momentum, step_rms

    def build(self, variables):
        """Finds the kernels of hidden layers."""
        if not self.built:
            self._are_kernels = [_is_kernel(variable) and variable.path not in self.by_adam for variable in variables]
        super().build(variables)

    def step_by_gradient(self, gradient, variable, learning_rate):
        """Moves one variable by a step at its own rate."""
        index = self._get_variable_index(variable)
        if not self._are_kernels[index]:
            super().step_by_gradient(gradient, variable, learning_rate)
            return
        average = self._momentums[index]
        self.assign_add(average, gradient + average * (self.momentum - 1))
        matrix = ops.reshape(gradient + self.momentum * average, (-1, variable.shape[-1]))
        step = orthogonalize(matrix) * (self.step_rms * max(matrix.shape) ** 0.5)
        rate = ops.cast(learning_rate, variable.dtype)
        self.assign_sub(variable, ops.reshape(step, variable.shape) * rate)

    def get_config(self):
        """Returns everything that rebuilds this optimizer without its state."""
        own = {"by_adam": list(self.by_adam), "momentum": self.momentum, "step_rms": self.step_rms}
        return super().get_config() | own


def orthogonalize(matrix: Tensor) -> Tensor:
    """Returns the (R, C) matrix that has the singular vectors of `matrix`, and singular values of 0.7 to 1.2.

    (Those that are tiny compared with the largest one stay smaller.)

    Source: the quintic Newton-Schulz iteration of Jordan et al. 2024: five steps of matrix products.
    """
    is_high = matrix.shape[0] > matrix.shape[1]
    x = ops.transpose(matrix) if is_high else matrix
    x = x / (ops.norm(x) + 1e-7)
    for _ in range(5):
        square = ops.matmul(x, ops.transpose(x))
        x = 3.4445 * x + ops.matmul(-4.7750 * square + 2.0315 * ops.matmul(square, square), x)
    return ops.transpose(x) if is_high else x


def _is_kernel(variable) -> bool:
    return len(variable.shape) > 1 and variable.shape[-1] > 1
