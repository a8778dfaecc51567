"""Layer names with dots, like those of the published modules, on PyTorch."""

import functools

import keras


@functools.cache
def allow_dots() -> None:
    """Lets Keras build layers with dots in their names on PyTorch; on other backends it does so anyway.

    On PyTorch a layer is a PyTorch module, too, which registers its variables by their paths and forbids dots in them:
    the dots become colons in PyTorch's names of the parameters. Keras' own names and files stay as they are.
    """
    if keras.backend.backend() != "torch":
        return
    import torch

    def name_of(variable) -> str:
        return variable.path.replace(".", ":")

    def track_variables(layer) -> None:
        layer._torch_params = torch.nn.ParameterDict({name_of(v): v.value for v in layer.variables})

    def post_track_variable(layer, variable) -> None:
        if hasattr(layer, "_torch_params") and name_of(variable) not in layer.torch_params:
            layer.torch_params[name_of(variable)] = variable.value

    def post_untrack_variable(layer, variable) -> None:
        if hasattr(layer, "_torch_params"):
            layer.torch_params.pop(name_of(variable), None)

    keras.layers.Layer._track_variables = track_variables
    keras.layers.Layer._post_track_variable = post_track_variable
    keras.layers.Layer._post_untrack_variable = post_untrack_variable
