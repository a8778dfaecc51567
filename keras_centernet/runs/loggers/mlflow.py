"""MLflow."""

import importlib
import time

from keras_centernet.runs.loggers.logger import LoggedRun, ServiceLogger

NAME = "mlflow"
LONGEST = 500  # characters of a parameter's value that every version of MLflow accepts
MOST = 100  # parameters per request


class ShowInMlflow(ServiceLogger):
    """Logs to the MLflow experiment that `settings.mlflow` names; MLFLOW_TRACKING_URI says on which server."""

    def __init__(self, run: LoggedRun):
        super().__init__(run, "MLflow")

    def begin(self, run: LoggedRun) -> None:
        mlflow = importlib.import_module(NAME)
        self._entities, self._client = importlib.import_module(f"{NAME}.entities"), mlflow.MlflowClient()
        self._id = run.read_id(NAME)
        if self._id:
            self._client.update_run(self._id, status="RUNNING")
            return
        experiment = self._client.get_experiment_by_name(run.settings.mlflow)
        experiment_id = experiment.experiment_id if experiment else self._client.create_experiment(run.settings.mlflow)
        self._id = self._client.create_run(experiment_id, run_name=run.folder.path.name or None).info.run_id
        params = [self._entities.Param(name, str(value)[:LONGEST]) for name, value in run.config.items()]
        for first in range(0, len(params), MOST):
            self._client.log_batch(self._id, params=params[first : first + MOST])
        run.write_id(NAME, self._id)

    def log(self, epoch: int, values: dict[str, float]) -> None:
        now = int(time.time() * 1000)
        metrics = [self._entities.Metric(name, value, now, epoch) for name, value in values.items()]
        self._client.log_batch(self._id, metrics=metrics)

    def show(self, values: dict[str, float]) -> None:
        self.log(self._epochs, values)

    def end(self, is_done: bool) -> None:
        self._client.set_terminated(self._id, "FINISHED" if is_done else "KILLED")
