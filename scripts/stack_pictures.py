"""Stack one patient's pictures and masks into volumes."""

from neurograft.execution import logs
from neurograft.pictures import stacking

logs.send_to_log(snakemake.log[0])
options = stacking.StackOptions.from_config(**snakemake.params.options)
stacking.stack_pictures(snakemake.output.stacked, snakemake.params.slices, options)
