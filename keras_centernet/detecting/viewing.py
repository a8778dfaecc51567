"""Shows an image in a notebook or in a window."""

import sys

import numpy as np

from keras_centernet.errors import UserError


def encode_png(image: np.ndarray) -> bytes:
    """Returns the PNG file of an image (H, W, 3) uint8 RGB."""
    import cv2

    return cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]))[1].tobytes()


def show_image(image: np.ndarray, title: str) -> None:
    """Shows an image (H, W, 3) uint8 RGB in a notebook, or else in a window until that is closed.

    Raises:
        UserError: there is neither a notebook nor a display.
    """
    if is_notebook():
        from IPython.display import Image, display

        display(Image(encode_png(image)))
        return
    from matplotlib import pyplot

    check_display()
    figure, axes = pyplot.subplots(num=title, layout="constrained")
    axes.imshow(image)
    axes.set_axis_off()
    pyplot.show()
    pyplot.close(figure)


def check_display() -> None:
    """Raises a UserError if the backend that Matplotlib chose for this machine cannot open a window."""
    import matplotlib
    from matplotlib.backends.registry import BackendFilter, backend_registry

    matplotlib.pyplot.get_backend()
    backend = matplotlib.get_backend()
    if backend.lower() not in map(str.lower, backend_registry.list_builtin(BackendFilter.INTERACTIVE)):
        problem = f"got neither (Matplotlib's backend is {backend})"
        raise UserError(f"show: expected a notebook or a display, {problem}. Write a file instead: draw(path).")


def is_notebook() -> bool:
    """Whether this runs in a notebook, that is, whether IPython has a kernel."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel")
