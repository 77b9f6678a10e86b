"""A scheduler looks at its jobs again once after a pause, however often it asked to."""

import threading
import time
from types import SimpleNamespace

from snakemake.scheduling.job_scheduler import JobScheduler

from neurograft.execution import scheduling


def test_many_requests_make_one_look():
    looks = threading.Semaphore(0)
    scheduler = SimpleNamespace(_open_jobs=looks, _schedule_reevalutation=None)
    scheduling.keep_one_timer(scheduler)
    for _ in range(50):
        scheduler._schedule_reevalutation(0.05)
    assert looks.acquire(timeout=5)
    time.sleep(0.2)
    assert not looks.acquire(blocking=False)
    # and after it the next one
    scheduler._schedule_reevalutation(0.01)
    assert looks.acquire(timeout=5)


def test_a_scheduler_of_another_kind_is_left_alone():
    other = SimpleNamespace()
    scheduling.keep_one_timer(other)
    assert vars(other) == {}


def test_snakemake_still_has_what_is_replaced():
    assert hasattr(JobScheduler, "_schedule_reevalutation")
