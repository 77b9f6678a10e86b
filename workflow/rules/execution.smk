# In the process that starts the jobs, not in theirs: what a person sees while it runs and when it fails, and how often
# it looks at what waits.
from snakemake.logging import logger

from neurograft.execution import monitoring, scheduling


def jobs_left():
    """Number, rule and subject of every job that is not finished."""
    jobs = workflow.dag.needrun_jobs()
    return [(job.jobid, job.rule.name, (job.wildcards_dict or {}).get("subject")) for job in jobs]


WATCH = monitoring.Watch(jobs_left, len(RUN.subjects), "results/benchmarks")


onstart:
    logger.addHandler(WATCH)
    scheduling.keep_one_timer(workflow.scheduler)


onerror:
    print(monitoring.describe_failures(WATCH.failed), file=sys.stderr, flush=True)
