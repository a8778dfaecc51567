"""Stands in for MLflow: a server in memory, whose runs are `RUNS`."""

import types

RUNS, EXPERIMENTS = {}, {}


class MlflowClient:
    """What speaks with the server."""

    def get_experiment_by_name(self, name):
        """Returns it, or None."""
        return types.SimpleNamespace(experiment_id=EXPERIMENTS[name]) if name in EXPERIMENTS else None

    def create_experiment(self, name):
        """Returns its id."""
        EXPERIMENTS[name] = str(len(EXPERIMENTS))
        return EXPERIMENTS[name]

    def create_run(self, experiment_id, run_name):
        """Returns a run."""
        run_id = f"run{len(RUNS)}"
        RUNS[run_id] = types.SimpleNamespace(
            experiment_id=experiment_id, name=run_name, params={}, metrics=[], status="RUNNING"
        )
        return types.SimpleNamespace(info=types.SimpleNamespace(run_id=run_id))

    def log_batch(self, run_id, metrics=(), params=()):
        """As the server, takes no second value of a parameter and no more than 100."""
        assert len(params) <= 100
        for one in params:
            assert RUNS[run_id].params.setdefault(one.key, one.value) == one.value
        RUNS[run_id].metrics += [(one.key, one.value, one.step) for one in metrics]

    def update_run(self, run_id, status):
        """Sets the status of a run."""
        RUNS[run_id].status = status

    set_terminated = update_run
