"""Adam with a smaller learning rate for a part of the weights."""

import keras


@keras.saving.register_keras_serializable(package="keras_centernet")
class PartwiseAdam(keras.optimizers.Adam):
    """Adam, or AdamW where there is a weight decay, whose steps are smaller for some variables.

    (Smaller gradients would not do: Adam divides by their size.) The decay of these variables is smaller by the same
    factor, as it is part of the step.

    Args:
        learning_rate: of all other variables; number or schedule.
        slow_paths: `variable.path` of those with smaller steps.
        slow_factor: of their learning rate.
        undecayed: names of variables that have no weight decay.
        **kwargs: of `keras.optimizers.Adam`.
    """

    def __init__(self, learning_rate=0.001, slow_paths=(), slow_factor: float = 1.0, undecayed=(), **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.slow_paths, self.slow_factor, self.undecayed = tuple(slow_paths), slow_factor, tuple(undecayed)

    def build(self, variables):
        """Finds the slow ones among the variables and decays them itself."""
        if not self.built:
            self._is_slow = [variable.path in self.slow_paths for variable in variables]
            self._decays = [not any(part in variable.path for part in self.undecayed) for variable in variables]
            if self.weight_decay:
                slow = [variable for variable, is_slow in zip(variables, self._is_slow, strict=True) if is_slow]
                self.exclude_from_weight_decay(var_list=slow, var_names=list(self.undecayed))
        super().build(variables)

    def update_step(self, gradient, variable, learning_rate):
        """Moves one variable."""
        index = self._get_variable_index(variable)
        if self._is_slow[index]:
            learning_rate = learning_rate * self.slow_factor
            if self.weight_decay and self._decays[index]:
                rate = keras.ops.cast(learning_rate * self.weight_decay, variable.dtype)
                self.assign_sub(variable, variable * rate)
        super().update_step(gradient, variable, learning_rate)

    def get_config(self):
        """Returns everything that rebuilds this optimizer without its state."""
        own = {"slow_paths": list(self.slow_paths), "slow_factor": self.slow_factor, "undecayed": list(self.undecayed)}
        return super().get_config() | own
