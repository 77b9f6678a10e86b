# Validates the config, and lists the cohort by names only.
# It is parsed again by every job: nothing heavy is imported here.
import atexit
import gc
import os
import sys
from functools import lru_cache
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError

# A plan is millions of small objects that live until its end: looking for garbage among them took a quarter of planning, the
# last time when Python ends.
gc.set_threshold(200_000, 10, 100)
atexit.register(gc.freeze)
sys.path.insert(0, f"{workflow.basedir}/scripts")
# a home may be full or read-only where jobs run: what matplotlib keeps of fonts lies in the working directory
os.environ.setdefault("MPLCONFIGDIR", os.path.abspath(".snakemake/matplotlib"))

from neurograft import code_digest, cohort, controls, experiment, extraction_engines, making, names
from neurograft import sequence_rules, settings, sources, tables, templates

try:
    with open(f"{workflow.basedir}/workflow/schemas/config.schema.yaml") as schema:
        config.update(settings.fit_layout(settings.resolve_config(config, yaml.safe_load(schema)), config))
    extraction_engines.check_engines(**config["strip_skull"])
    SOURCES = sources.read_sources(f"{workflow.basedir}/config/sources.tsv")
    experiment.check_variants(config["variants"])
    experiment.check_experiment(
        config["experiment"], config["deliver"]["strategy"], SOURCES, config["split_cohort"]["between"]
    )
    experiment.check_sources(config["experiment"], SOURCES, config["publish"])
    experiment.check_recommended(config["recommend"]["sources"], SOURCES)
    NAMED = {
        name: SOURCES[name] for wanted in config["experiment"].values() for name in experiment.list_sources(wanted)
    }
    NAMED = making.with_bases(NAMED, SOURCES)
    # which sources have the same network, so that an arm is held against a control of its own kind
    KIN = controls.find_kin(NAMED.values())
    # scored in every run, and ranked by `recommend`: there also what this machine has without being asked
    SCORED = NAMED | {name: SOURCES[name] for name in config["recommend"]["sources"]}
    RANKED = SCORED if config["recommend"]["sources"] else sources.add_ready(NAMED, SOURCES)
    USED = {name: row for name, row in RANKED.items() if name in NAMED or row["dimensions"] == "2"}
    WEIGHTS = {name: sources.locate(row) or f"results/sources/{name}/weights" for name, row in USED.items()}
    for name, row in USED.items():
        # once a run is enough: each training verifies what it loads
        if workflow.is_main_process and sources.locate(row):
            sources.verify(WEIGHTS[name], row["sha256"])
    TEMPLATE = templates.template_path(config["register_scans"]["template"]) or []
    FOUND = cohort.find_subjects(**config["dataset"])
    # what DICOM series are recognised by: a mistake in it stops the run before any job
    RULES = config["convert_dicom"]["rules"] or f"{workflow.basedir}/config/sequences.tsv"
    RULES_DIGEST = sequence_rules.digest_rules(sequence_rules.read_rules(RULES))
    experiment.check_target(config["experiment"]["classification"]["target"], FOUND)
except (
    settings.SettingsError,
    sources.SourceError,
    cohort.CohortError,
    extraction_engines.MissingEngine,
    tables.TableError,
    FileNotFoundError,
) as mistake:
    raise WorkflowError(str(mistake)) from None

# a set of 2-D pictures: nothing to register, to segment or to deliver
IMAGES = config["dataset"]["layout"] == "images"
SPACE = templates.space_label(config["register_scans"]["template"])
# what an experiment means by its spaces: normalised to the template, or each patient's own
SPACES = {"template": SPACE, "native": templates.space_label("none")}
DELIVERED = config["deliver"]["strategy"]


wildcard_constraints:
    subject="[0-9A-Za-z]+",
    space="[0-9A-Za-z]+",
    task="segmentation|classification",
    source="[0-9A-Za-z.-]+",
    strategy="[0-9a-z-]+",
    split="folds|sites|between",
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
    return lambda wildcards, attempt: amount * attempt
