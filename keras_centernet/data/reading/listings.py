"""The names in folders; each folder is listed only once, however many files are looked for in it."""

from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath, list_names


class Listings:
    """Caches the names in folders while one data set is being read."""

    def __init__(self):
        self._names: dict[AnyPath, frozenset[str]] = {}

    def names(self, folder: AnyPath) -> frozenset[str]:
        """Returns the names in a folder; none if the folder does not exist or cannot be listed."""
        if folder not in self._names:
            self._names[folder] = _list(folder)
        return self._names[folder]

    def has(self, path: AnyPath) -> bool:
        """Returns whether a file or folder exists at the path."""
        return path.name in self.names(path.parent)

    def stems(self, folder: AnyPath, suffixes: tuple[str, ...]) -> set[str]:
        """Returns the names, without suffix, of files with one of the suffixes (given in lower case), in any case."""
        names = (name.rpartition(".") for name in self.names(folder))
        return {stem for stem, _, suffix in names if f".{suffix.lower()}" in suffixes}


def _list(folder: AnyPath) -> frozenset[str]:
    try:
        return frozenset(list_names(folder)) if folder.is_dir() else frozenset()
    except OSError as error:
        if isinstance(error, UserError):
            raise
        return frozenset()  # the name is too long, or reading the folder is not permitted
