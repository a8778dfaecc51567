"""Stands in for MLflow: a server in memory, whose runs are `RUNS`."""

import types

RUNS, EXPERIMENTS = {}, {}


class MlflowClient:
    """The client of the server in memory."""

    def get_experiment_by_name(self, name):
        """Returns the experiment, or None."""
        return types.SimpleNamespace(experiment_id=EXPERIMENTS[name]) if name in EXPERIMENTS else None

    def create_experiment(self, name):
        """Creates an experiment and returns its id."""
        EXPERIMENTS[name] = str(len(EXPERIMENTS))
        return EXPERIMENTS[name]

    def create_run(self, experiment_id, run_name):
        """Creates a run and returns it."""
        run_id = f"run{len(RUNS)}"
        RUNS[run_id] = types.SimpleNamespace(
            experiment_id=experiment_id, name=run_name, params={}, metrics=[], status="RUNNING"
        )
        return types.SimpleNamespace(info=types.SimpleNamespace(run_id=run_id))

    def log_batch(self, run_id, metrics=(), params=()):
        """Like the server, refuses a second value of a parameter and more than 100 parameters at once."""
        assert len(params) <= 100
        for one in params:
            assert RUNS[run_id].params.setdefault(one.key, one.value) == one.value
        RUNS[run_id].metrics += [(one.key, one.value, one.step) for one in metrics]

    def update_run(self, run_id, status):
        """Sets the status of a run."""
        RUNS[run_id].status = status

    set_terminated = update_run
