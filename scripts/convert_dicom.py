"""Convert one patient's DICOM series, without identity, to one image a sequence."""

from neurograft import conversion, logs, sequence_rules

logs.send_to_log(snakemake.log[0])
rules = sequence_rules.read_rules(snakemake.input.rules)
conversion.convert_dicom(snakemake.output.converted, snakemake.params.source, rules)
