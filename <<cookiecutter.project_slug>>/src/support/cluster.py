"""Run stages train and compare on a Dask cluster, if the environment names its scheduler."""

import asyncio
import logging
import os
import pickle
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any

from support import SOURCE
from support.params import InputError, first_line

import joblib
import pandas as pd
from threadpoolctl import ThreadpoolController, threadpool_limits

ADDRESS = "DASK_SCHEDULER_ADDRESS"
# Other versions of these packages may compute other scores.
VERSIONS = ["python", "joblib", "numpy", "pandas", "scipy", "sklearn"]
# With fewer cells, it is faster to fit one model after the other: threads would mostly wait for
# Python's lock.
SMALL = 5000


class Task:
    """A function for joblib that runs on one thread, here or on a worker of the cluster."""

    def __init__(self, function: Callable, threads: ThreadpoolController) -> None:
        self.function = function
        self.threads = threads
        # Shown in Dask's dashboard
        self.__name__ = getattr(function, "func", function).__name__

    def __call__(self, *arguments: Any) -> Any:
        # Tasks run in parallel. Threads within each would wait for one another.
        with self.threads.limit(limits=1, user_api="openmp"):
            return self.function(*arguments)

    @cached_property
    def by_value(self) -> bytes:
        """The function with all project code that it uses, which workers cannot import."""
        import cloudpickle

        for module in list(sys.modules.values()):
            file = getattr(module, "__file__", None) or ""
            if file.startswith(SOURCE + os.sep) and module.__name__ != "__main__":
                cloudpickle.register_pickle_by_value(module)
        return cloudpickle.dumps(partial(on_worker, self.function))

    def __reduce__(self) -> tuple[Callable, tuple[bytes]]:
        return pickle.loads, (self.by_value,)


def on_worker(function: Callable, *arguments: Any) -> Any:
    """Call `function` as on one thread of the sending machine, and return its result."""
    # Never reset: the thread limit belongs to the process, which runs other tasks too.
    threadpool_limits(1)
    with joblib.parallel_config(backend="threading", n_jobs=1):
        return function(*arguments)


def threads(table: pd.DataFrame) -> joblib.parallel_config:
    """Run joblib's tasks, which share the data, on all cores, unless the table is small."""
    return joblib.parallel_config(backend="threading", n_jobs=-1 if table.size > SMALL else 1)


@contextmanager
def workers(table: pd.DataFrame, *data: Any) -> Iterator[None]:
    """Run joblib's tasks on this machine, or on the Dask cluster that the environment names.

    Each worker gets `table` and `data`, arguments of the tasks, once.

    Raises InputError as `connect` does.
    """
    address = os.environ.get(ADDRESS)
    if not address:
        with threads(table):
            yield
        return
    with (
        connect(address) as client,
        joblib.parallel_config(backend="dask", client=client) as config,
    ):
        # As joblib's own argument `scatter` would fill it. If the cluster has a single thread,
        # joblib works on this machine instead.
        config["backend"].data_futures = {id(one): send(one, client) for one in (table, *data)}
        yield


@contextmanager
def connect(address: str) -> Iterator[Any]:
    """Yield a client of the Dask cluster at `address`.

    Raises InputError when it does not answer, has no workers, has other packages, or fails.
    """
    try:
        from distributed import Client, KilledWorker
        from distributed.client import FutureCancelledError
    except ImportError:
        raise InputError(
            f"{ADDRESS} is set, but Dask is not installed: `pip install -c constraints.txt "
            "distributed`, or unset it to work on this machine"
        ) from None
    # Dask would log a traceback for each connection that closes.
    logging.disable()
    advice = f"start it, or unset {ADDRESS} to work on this machine"
    try:
        asyncio.run(reach(address))
    except Exception as error:  # noqa: BLE001, the address may not be a scheduler
        reason = f"no answer ({first_line(error)})"
        raise InputError(f"Dask cluster {address}: {reason}: {advice}") from None
    try:
        with Client(address, timeout="5 s", set_as_default=False) as client:
            check_versions(client.get_versions(packages=VERSIONS))
            yield client
    except (OSError, ImportError, KilledWorker, FutureCancelledError) as error:
        raise InputError(f"Dask cluster {address}: {first_line(error)}: {advice}") from None


def send(one: Any, client: Any) -> Any:
    """Return a Dask future of an object.

    The object is the result of a task, which Dask can run again. A scattered object would be lost
    with the worker that has it, because Dask removes copies.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sending large graph")
        return client.submit(pickle.loads, pickle.dumps(one, pickle.HIGHEST_PROTOCOL))


async def reach(address: str) -> None:
    """Connect once, within three seconds: a client would wait longer, and again on close."""
    from distributed.comm import connect
    from distributed.security import Security

    async with asyncio.timeout(3):
        comm = await connect(address, timeout=3, **Security().get_connection_args("client"))
    comm.abort()


def check_versions(versions: dict[str, Any]) -> None:
    """Raise InputError if there is no worker, or a worker has another version of a package."""
    here = versions["client"]["packages"]
    if not versions["workers"]:
        raise InputError(f"{ADDRESS}: the cluster has no workers; `dask worker ADDRESS` starts one")
    for worker, found in versions["workers"].items():
        for name in VERSIONS:
            there = found["packages"].get(name)
            if there != here[name]:
                raise InputError(
                    f"Dask worker {worker} has {name} {there}, this machine {here[name]}: install "
                    "requirements.txt in both, else scores may differ"
                )
