"""Make a source from another labelled cohort."""

from pathlib import Path

from neurograft.cohort.splits import QualityFindings
from neurograft.core import files, tables
from neurograft.execution import logs
from neurograft.sources import cohort_training
from neurograft.sources.weights import SourceFiles
from neurograft.training import loop, slices

logs.send_to_log(snakemake.log[0])
given, params = snakemake.input, snakemake.params
cohort = cohort_training.SourceCohort(
    params.cohort,
    tables.read_table(given.cohort),
    slices.find_slices(given.subjects),
    QualityFindings.from_table(tables.read_table(given.quality)),
    files.read_json(given.compared),
    params.strategy,
)
start = SourceFiles(params.start, given.weights) if params.start else None
folder, options = Path(snakemake.output.weights).parent, loop.TrainingOptions(**params.options)
cohort_training.pretrain_cohort(folder, params.source, start, files.read_json(given.splits), cohort, options)
