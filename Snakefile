# neurograft: does transfer learning help these brain MRI patients? A table of contents.
from snakemake.utils import min_version

min_version("9.27")


# A user's --configfile *extends* what `configfile:` loads, so the demo's values are read only
# where nobody named a dataset.
if "dataset" not in config:

    configfile: f"{workflow.basedir}/config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/inputs.smk"
include: "workflow/rules/images.smk" if IMAGES else "workflow/rules/scans.smk"
include: "workflow/rules/learning.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/recommendation.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/targets.smk"
include: "workflow/rules/watching.smk"


localrules:
    all,


rule all:
    """Everything: the report, and the delivered segmentation of every subject."""
    default_target: True
    input:
        FETCHED,
        "results/report",
        delivered_records,
