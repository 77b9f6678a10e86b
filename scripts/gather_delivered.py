"""List the cells whose predictions become the delivered segmentation, in one file."""

from neurograft import delivered, logs, tables

logs.send_to_log(snakemake.log[0])
tables.write_table(snakemake.output[0], delivered.gather_cells(snakemake.input), ["cell", "sha256"])
