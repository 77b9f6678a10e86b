"""Convert one patient's DICOM series, without identity, to one image a sequence."""

from neurograft import conversion, logs

logs.send_to_log(snakemake.log[0])
conversion.convert_dicom(snakemake.output.converted, snakemake.params.source, snakemake.params.rules)
