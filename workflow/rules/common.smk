# What every rule goes by, whether a run of its own or a pool of several runs' cards.
# It is parsed again by every job: nothing heavy is imported here.
import atexit
import gc
import os
import sys

from snakemake.exceptions import WorkflowError

# A plan is millions of small objects that live until its end: looking for garbage among them took a quarter of planning.
gc.set_threshold(200_000, 10, 100)
atexit.register(gc.freeze)
sys.path.insert(0, f"{workflow.basedir}/scripts")
# a home may be full or read-only where jobs run: what matplotlib keeps of fonts lies in the working directory
os.environ.setdefault("MPLCONFIGDIR", os.path.abspath(".snakemake/matplotlib"))

from neurograft.execution import code_digest


wildcard_constraints:
    subject="[0-9A-Za-z]+",
    space="[0-9A-Za-z]+",
    task="segmentation|classification",
    source="[0-9A-Za-z.-]+",
    strategy="[0-9a-z-]+",
    split="(folds|slices)-random-labels|folds|sites|between|slices|own",
    n="all|[0-9]+",
    fold="[0-9]+",
    seed="[0-9]+",


# Only the process that plans goes by them: the jobs of a cluster, which read the rules again, do without.
DIGESTS = (
    code_digest.digest_scripts(f"{workflow.basedir}/scripts", ".snakemake/neurograft-code.json")
    if workflow.is_main_process
    else {}
)


def digest(step):
    """The parameter that reruns a step when the library code behind its script changes."""
    return DIGESTS[step] if workflow.is_main_process else ""


def grow(amount):
    """A resource that each retry has more of: a job that ran out of memory or time would run out of it again."""
    return lambda wildcards, attempt: (amount(wildcards) if callable(amount) else amount) * attempt
