"""Convert one patient's DICOM series, without identity, to one image a sequence."""

from neurograft.cohort import dicom_conversion, dicom_rules
from neurograft.execution import logs

logs.send_to_log(snakemake.log[0])
rules = dicom_rules.read_rules(snakemake.input.rules)
dicom_conversion.convert_dicom(snakemake.output.converted, snakemake.params.source, rules)
