"""Names in folders, asked for once however many files are looked for in them."""

from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath, list_names


class Listings:
    """Remembers which names are in which folders, for as long as one data set is being read."""

    def __init__(self):
        self._names: dict[AnyPath, frozenset[str]] = {}

    def names(self, folder: AnyPath) -> frozenset[str]:
        """Returns the names in a folder; none where there is no such folder."""
        if folder not in self._names:
            self._names[folder] = _list(folder)
        return self._names[folder]

    def has(self, path: AnyPath) -> bool:
        """Whether there is a file or folder of that name."""
        return path.name in self.names(path.parent)

    def stems(self, folder: AnyPath, suffixes: tuple[str, ...]) -> set[str]:
        """Returns the names without suffix of what has one of the suffixes, in lower case, in whichever case."""
        names = (name.rpartition(".") for name in self.names(folder))
        return {stem for stem, _, suffix in names if f".{suffix.lower()}" in suffixes}


def _list(folder: AnyPath) -> frozenset[str]:
    try:
        return frozenset(list_names(folder)) if folder.is_dir() else frozenset()
    except OSError as error:
        if isinstance(error, UserError):
            raise
        return frozenset()  # a name that is too long, or a folder that may not be read
