"""Weights & Biases."""

import importlib
import uuid

from keras_centernet.files.remote_path import is_remote
from keras_centernet.runs.loggers.logger import LoggedRun, ServiceLogger

NAME = "wandb"


class ShowInWandb(ServiceLogger):
    """Logs to the project of Weights & Biases that `settings.wandb` names; WANDB_MODE=offline keeps the log local."""

    def __init__(self, run: LoggedRun):
        super().__init__(run, "Weights & Biases")

    def begin(self, run: LoggedRun) -> None:
        wandb = importlib.import_module(NAME)
        path, run_id = run.folder.path, run.read_id(NAME) or uuid.uuid4().hex[:12]
        self._run = wandb.init(
            project=run.settings.wandb,
            name=path.name or None,
            id=run_id,
            resume="allow",
            dir=None if is_remote(path) else str(path),
            config=run.config,
        )
        self._run.define_metric("*", step_metric="epoch")  # by its own steps it refuses epochs that are trained again
        run.write_id(NAME, run_id)

    def log(self, epoch: int, values: dict[str, float]) -> None:
        self._run.log({"epoch": epoch, **values})

    def show(self, values: dict[str, float]) -> None:
        self._run.summary.update(values)

    def end(self, is_done: bool) -> None:
        self._run.finish(exit_code=0 if is_done else 1)
