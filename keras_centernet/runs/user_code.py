"""The user's own code: modules to import, and objects in them that the command line names."""

import importlib
import sys
import types

from keras_centernet.errors import UserError, first_line


def import_module(name: str, option: str = "--import") -> types.ModuleType:
    """Imports and returns a module, also one in the current folder; raises a UserError if that fails."""
    if "" not in sys.path:
        sys.path.insert(0, "")  # the current folder, where an installed command does not look
    try:
        return importlib.import_module(name)
    except Exception as error:
        expected = "a module that can be imported from the current folder or PYTHONPATH"
        found = f"{type(error).__name__}: {first_line(error)}"
        raise UserError(f"{option} {name}: expected {expected}, got {found}.") from error


def resolve(name: str, option: str) -> object:
    """Returns what "module:object" names; a name without a colon, such as a key of a table, is returned unchanged.

    Raises a UserError that begins with `option` if there is no such object.
    """
    module, colon, attribute = name.partition(":")
    if not colon:
        return name
    found = import_module(module, option)
    if not hasattr(found, attribute):
        raise UserError(f"{option} {name}: expected an object of module {module}, it has no {attribute!r}.")
    return getattr(found, attribute)
