"""Stands in for Weights & Biases: keeps what it is told, in `RUNS`."""

RUNS = []


class Summary(dict):
    """Of a run."""


class Run:
    """One process' part of a run."""

    def __init__(self, options: dict):
        self.options, self.rows, self.summary, self.exit_code = options, [], Summary(), None

    def define_metric(self, name, step_metric):
        """Says over what values are drawn."""
        assert (name, step_metric) == ("*", "epoch")

    def log(self, values):
        """Logs a row."""
        if self.options["project"] == "out of reach":
            raise ConnectionError("no route")
        self.rows.append(values)

    def finish(self, exit_code):
        """Ends the run."""
        self.exit_code = exit_code


def init(**options):
    """Begins a run."""
    if options["project"] == "forbidden":
        raise PermissionError("log in first")
    RUNS.append(Run(options))
    return RUNS[-1]
