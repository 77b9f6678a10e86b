"""Import the masks that another program made of a fold's test patients."""

import sys

from neurograft.core import files
from neurograft.exchange import predictions
from neurograft.execution import logs
from neurograft.training import slices

logs.send_to_log(snakemake.log[0])
# what goes wrong here is said in one line
sys.tracebacklimit = 0
predictions.import_predictions(
    snakemake.output[0],
    files.read_json(snakemake.input.splits),
    {"task": "segmentation", **snakemake.wildcards},
    snakemake.params.given,
    {subject: found["status"] for subject, found in slices.find_records(snakemake.input.subjects).items()},
)
