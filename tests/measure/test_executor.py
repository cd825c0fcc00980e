"""Lesions by the workers of an executor: the table of one process, whatever happens to workers."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import modviz
from modviz.core.progress import Cancelled
from tests.measure.small import left_alone, tiny_cnn, tiny_mlp, trained

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pool():
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        yield executor


@pytest.fixture(scope="module")
def dask_client():
    import distributed

    with (
        distributed.LocalCluster(
            2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def analysed(model, data, **options):
    settings = {"n_clusters": 3, "n_controls": 9, "features": False, "progress": False}
    return modviz.analyze(model, data, **settings | options)


def same(a, b) -> None:
    pd.testing.assert_frame_equal(a.table(), b.table(), check_exact=True)
    assert np.array_equal(a.lesions.controls, b.lesions.controls, equal_nan=True)
    assert a.lesions.n_images == b.lesions.n_images


@pytest.mark.parametrize("lesion", ["zero", "mean"])
def test_processes_give_the_table_of_one(model, data, pool, lesion):
    alone = analysed(model, data, lesion=lesion, workers=1)
    with left_alone(model):
        shared = analysed(model, data, lesion=lesion, executor=pool)
    same(alone, shared)


def test_adaptive_rounds_and_a_loader_work_with_processes(data, pool):
    model = trained(tiny_mlp(), data)
    loader = DataLoader(TensorDataset(*data), batch_size=17)
    options = {"controls": "adaptive", "n_controls": 99}
    same(analysed(model, data, **options), analysed(model, loader, executor=pool, **options))


def test_dask_gives_the_table_of_one(model, data, dask_client):
    with dask_client.get_executor() as executor:
        same(analysed(model, data), analysed(model, data, executor=executor))


class Deadly(ProcessPoolExecutor):
    """Kills one of its own workers after some tasks."""

    def __init__(self, *args, after: int, **options) -> None:
        super().__init__(*args, **options)
        self.left = after

    def submit(self, fn, /, *args, **kwargs) -> Future:
        future = super().submit(fn, *args, **kwargs)
        self.left -= 1
        if self.left == 0:
            os.kill(next(iter(self._processes)), signal.SIGKILL)
            end = time.monotonic() + 60
            while not self._broken and time.monotonic() < end:  # what is at work breaks off
                time.sleep(0.01)
        return future


def test_a_killed_process_costs_nothing_but_time(data):
    model = trained(tiny_cnn(), data)
    alone = analysed(model, data)
    with (
        Deadly(2, mp_context=get_context("spawn"), after=2) as executor,
        pytest.warns(RuntimeWarning, match="a worker of the executor was lost.*done in this"),
    ):
        same(alone, analysed(model, data, executor=executor))


def test_a_killed_dask_worker_costs_nothing_but_time(data, dask_client):
    model = trained(tiny_cnn(), data)
    alone = analysed(model, data)
    killed = threading.Event()

    def kill_one(progress) -> None:
        if progress.stage == "lesions" and progress.done and not killed.is_set():
            killed.set()
            pids = dask_client.run(os.getpid)
            os.kill(next(iter(pids.values())), signal.SIGKILL)

    with dask_client.get_executor() as executor:
        same(alone, analysed(model, data, executor=executor, progress=kill_one))
    assert killed.is_set()


def test_the_model_is_sent_once_and_every_image_once(data, monkeypatch):
    """What a task carries is its images; the model lies ready for all."""
    sizes: list[int] = []

    class Weighing(ThreadPoolExecutor):
        def submit(self, fn, /, *args, **kwargs):
            sizes.append(sum(v.nbytes for v in _tensors((args, kwargs))))
            return super().submit(fn, *args, **kwargs)

    model = trained(tiny_mlp(), data)
    with Weighing(1) as executor:
        same(analysed(model, data), analysed(model, data, executor=executor))
    assert sum(sizes) == data[0].nbytes + data[1].nbytes


def _tensors(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    if isinstance(value, (tuple, list)) or (
        not isinstance(value, (str, bytes)) and hasattr(value, "__iter__")
    ):
        return [t for part in value for t in _tensors(part)]
    return []


def test_a_worker_that_can_not_see_the_file_is_sent_the_model(data, monkeypatch):
    from modviz.measure import remote

    seen: list[bool] = []
    perform = remote._perform

    def blind(where, content, function, job):
        seen.append(content is not None)
        return perform((where[0], "/nowhere/at/all", where[2]), content, function, job)

    monkeypatch.setattr(remote, "_perform", blind)
    model = trained(tiny_mlp(), data)
    with ThreadPoolExecutor(1) as executor:
        same(analysed(model, data), analysed(model, data, executor=executor))
    assert seen[0] is False
    assert any(seen)


def test_an_error_in_forward_is_raised_here_and_nothing_is_left_behind(
    data, pool, tmp_path, monkeypatch
):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    class Late(TensorDataset):
        def __getitem__(self, index):
            if index == 150:
                raise OSError("the disk is gone")
            return super().__getitem__(index)

    model = trained(tiny_mlp(), data)
    with left_alone(model), pytest.raises(OSError, match="the disk is gone"):
        analysed(model, Late(*data), executor=pool)
    assert list(tmp_path.iterdir()) == []


def test_a_cancel_keeps_what_came_back(data, pool):
    model = trained(tiny_mlp(), data)
    stop = threading.Event()

    def after_first(progress) -> None:
        if progress.stage == "lesions" and progress.analysis is not None and progress.done:
            stop.set()

    analysis = analysed(model, data, executor=pool, progress=after_first, cancel=stop)
    assert analysis.status == "cancelled"
    assert 0 < analysis.lesions.n_images < len(data[0])


def test_what_is_no_executor_is_refused(model, data):
    with pytest.raises(TypeError, match="executor is int; expected a concurrent.futures.Executor"):
        analysed(model, data, executor=4)


def test_cancelled_is_what_remote_work_raises(data):
    from modviz.measure.remote import Workers

    stop = threading.Event()
    stop.set()
    with ThreadPoolExecutor(1) as executor, Workers(executor, int, (3,)) as there:
        with pytest.raises(Cancelled):
            list(there.results(pow, [(2,), (3,)], stop))
        assert dict(there.results(pow, [(2,), (3,)], None)) == {(2,): 9, (3,): 27}


@pytest.mark.parametrize("workers", ["processes", "dask"])
def test_pictures_are_those_of_one_process(data, pool, dask_client, workers):
    model = trained(tiny_cnn(), data)
    shifted = (2 * data[0] - 0.5, data[1])  # pictures have to be stretched to it, there too
    options = {"features": True, "n_controls": 4}
    alone = analysed(model, shifted, workers=1, **options)
    executor = pool if workers == "processes" else dask_client.get_executor()
    with left_alone(model):
        shared = analysed(model, shifted, executor=executor, **options)
    same(alone, shared)
    assert np.array_equal(alone.features.images, shared.features.images, equal_nan=True)
    assert np.isfinite(shared.features.images).any()
