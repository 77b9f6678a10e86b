"""List the cells whose predictions become the delivered segmentation, in one file."""

from neurograft.core import listings
from neurograft.execution import logs
from neurograft.experiment import cell_folder

logs.send_to_log(snakemake.log[0])
listings.write_listing(snakemake.output[0], cell_folder.gather_cells(snakemake.input), ["cell"])
