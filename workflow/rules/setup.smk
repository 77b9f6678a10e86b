# Validates the config, and lists the cohort by names only.
from functools import lru_cache

from neurograft.cohort import file_names
from neurograft.core import design, judging, replay, strategies, tables
from neurograft.experiment import setup
from neurograft.sources import table as source_table

try:
    # once a run is enough to verify weights: each training verifies what it loads
    RUN = setup.prepare_run(config, workflow.basedir, verified=workflow.is_main_process)
except setup.SetupError as mistake:
    raise WorkflowError(str(mistake)) from None
config.update(RUN.config)
DESIGN = RUN.design
