# neurograft: does transfer learning help these brain MRI patients? A table of contents.
from snakemake.utils import min_version

min_version("9.27")


# A user's --configfile *extends* what `configfile:` loads, so the demo's values are read only
# where nobody named a dataset.
if not {"dataset", "cards"} & set(config):

    configfile: f"{workflow.basedir}/config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/cards.smk"
include: "workflow/rules/pool.smk"


# Who pools the cards of several cohorts has no dataset, and needs nothing of what follows. Nor has EEG scans.
if "cards" not in config and isinstance(config["dataset"], dict) and config["dataset"].get("layout") == "eeg":

    include: "workflow/rules/eeg.smk"

    localrules:
        all,

    rule all:
        """Layout eeg: the report and the verdict card."""
        default_target: True
        input:
            rules.write_eeg_report.output.page,
            rules.fill_people_card.output,

elif "cards" not in config:

    include: "workflow/rules/setup.smk"
    include: "workflow/rules/inputs.smk"

    # A set of 2-D pictures has one job that reads them all; of scans, every subject has jobs of its own.
    if RUN.pictures:

        include: "workflow/rules/pictures.smk"

    else:

        include: "workflow/rules/cohort.smk"
        include: "workflow/rules/preprocessing.smk"
        include: "workflow/rules/candidates.smk"
        include: "workflow/rules/delivery.smk"
        include: "workflow/rules/masks.smk"
        include: "workflow/rules/exchange.smk"

        if RUN.cohorts:

            include: "workflow/rules/source_cohorts.smk"
            include: "workflow/rules/source_preprocessing.smk"
    include: "workflow/rules/guard.smk"
    include: "workflow/rules/sources.smk"
    include: "workflow/rules/experiment.smk"
    include: "workflow/rules/evaluation.smk"
    include: "workflow/rules/transferability.smk"
    include: "workflow/rules/report.smk"
    include: "workflow/rules/targets.smk"
    include: "workflow/rules/execution.smk"

    localrules:
        all,

    rule all:
        """Everything: the report, the verdict card, and the delivered segmentation of every subject."""
        default_target: True
        input:
            # known from the start, so that a missing network stops a run at its beginning and not after hours
            RUN.choice.fetched,
            # so is a folder of masks that is not there
            [given["predictions"] for given in RUN.external.values()],
            "results/report",
            rules.fill_verdict_card.output,
            per_subject("results/work/sub-{subject}/space-{space}/deliver_segmentation.json"),
