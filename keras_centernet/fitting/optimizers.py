"""Adam with other learning rates for parts of the weights."""

import keras


@keras.saving.register_keras_serializable(package="keras_centernet")
class PartwiseAdam(keras.optimizers.Adam):
    """Adam, or AdamW where there is a weight decay, whose steps are larger or smaller for some variables.

    (Other gradients would not do: Adam divides by their size.) The decay of these variables has the same factor, as it
    is part of the step.

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
        """Finds the variables with rates of their own and decays them itself."""
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
                rate = keras.ops.cast(learning_rate * self.weight_decay, variable.dtype)
                self.assign_sub(variable, variable * rate)
        super().update_step(gradient, variable, learning_rate)

    def get_config(self):
        """Returns everything that rebuilds this optimizer without its state."""
        return super().get_config() | {"rates": dict(self.rates), "undecayed": list(self.undecayed)}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Returns the optimizer of `get_config`, also of files that had one factor for all "slow_paths"."""
        config = dict(config)
        if "slow_paths" in config:
            config["rates"] = dict.fromkeys(config.pop("slow_paths"), config.pop("slow_factor"))
        return super().from_config(config, custom_objects)
