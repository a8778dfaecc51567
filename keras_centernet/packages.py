"""Optional packages: one form of message for a missing one, which names the extra that installs it."""

import importlib
import importlib.util
from types import ModuleType

from keras_centernet.errors import UserError, first_line

# {package as it is imported: extra of this package that installs it}; setup.cfg has the versions.
EXTRAS = {
    "tensorflow_datasets": "tfds",
    "supervision": "track",
    "trackers": "track",
    "pandas": "pandas",
    "jax": "jax",
    "torch": "torch",
    "safetensors": "safetensors",
    "gdown": "drive",
    "huggingface_hub": "hub",
    "kagglehub": "hub",
    "wandb": "wandb",
    "mlflow": "mlflow",
    "tf2onnx": "onnx",
    "onnx": "onnx",
    "onnxruntime": "onnx",
}


def is_installed(package: str) -> bool:
    """Whether a package can be found; it is not imported."""
    spec = importlib.util.find_spec(package)
    return spec is not None and spec.origin is not None  # no origin: a folder, such as wandb's folder of runs


def check_installed(what: str, *packages: str, otherwise: str = "") -> None:
    """Raises a UserError unless all packages can be found; they are not imported.

    Args: as for `import_package`.
    """
    missing = [package for package in packages if not is_installed(package)]
    if missing:
        problem = "is not installed" if len(missing) == 1 else "are not installed"
        raise UserError(_line(what, missing, problem, otherwise))


def import_package(what: str, module: str, otherwise: str = "") -> ModuleType:
    """Returns a module of a package that may be missing.

    Args:
        what: what needs the module; the message begins with it.
        module: name, such as "torch" or "safetensors.numpy".
        otherwise: what to do instead of installing it, if anything helps; the message ends with it.

    Raises:
        UserError: it cannot be imported; the message says how to install it.
    """
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        is_missing = isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == package
        problem = "is not installed" if is_missing else f"cannot be imported ({first_line(error)})"
        raise UserError(_line(what, [package], problem, otherwise)) from error


def install_line(*packages: str) -> str:
    """Returns the command that installs packages: this package with their extras.

    Examples:
        >>> install_line("supervision", "trackers"), install_line("tensorflow")
        ('pip install "keras_centernet[track]"', 'pip install "keras_centernet"')
    """
    extras = ",".join(dict.fromkeys(EXTRAS[package] for package in packages if package in EXTRAS))
    return f'pip install "keras_centernet{extras and f"[{extras}]"}"'


def _line(what: str, packages: list[str], problem: str, otherwise: str) -> str:
    expected = f"expected the package{'s' * (len(packages) > 1)} {', '.join(packages)}, which {problem}"
    return f"{what}: {expected}. Run `{install_line(*packages)}`{otherwise and f', or {otherwise}'}."
