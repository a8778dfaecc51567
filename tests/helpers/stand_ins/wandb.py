"""Stands in for Weights & Biases: keeps what is logged in `RUNS`."""

RUNS = []


class Summary(dict):
    """The summary of a run."""


class Run:
    """One process' part of a run."""

    def __init__(self, options: dict):
        self.options, self.rows, self.summary, self.exit_code = options, [], Summary(), None

    def define_metric(self, name, step_metric):
        """Takes the metric over which all values are drawn."""
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
