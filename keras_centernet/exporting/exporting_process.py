"""The process that exports what `other_process.export_elsewhere` put into a folder, and puts the answer there."""

import pathlib
import pickle
import sys

from keras_centernet.errors import UserError
from keras_centernet.exporting.export import export_model
from keras_centernet.exporting.other_process import ANSWER, CALL, MODEL
from keras_centernet.model import load_model


def main(name: str) -> None:
    """Exports; the answer is the result or the UserError."""
    folder = pathlib.Path(name)
    path, format, images, options = pickle.loads((folder / CALL).read_bytes())
    try:
        answer = export_model(load_model(folder / MODEL), path, format, images, **options)
    except UserError as error:
        answer = error
    part = folder / f"{ANSWER}.part"
    part.write_bytes(pickle.dumps(answer))
    part.rename(folder / ANSWER)


if __name__ == "__main__":
    main(sys.argv[1])
