"""The two ways in which the package speaks to a user about a mistake."""


class UserError(ValueError):
    """A mistake that the user can mend: one line that says what was expected, what was received and what to do.

    Commands print it without a traceback and exit with code 2.
    """


class DataWarning(UserWarning):
    """Something in the data was skipped or changed; the message counts it and names the first case."""
