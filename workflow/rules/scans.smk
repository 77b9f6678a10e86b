# Datasets of scans: every subject is imported, stripped, registered and normalised by jobs of its own.


include: "cohort.smk"
include: "preprocessing.smk"
include: "candidates.smk"
include: "sharing.smk"


COHORT = "gather_cohort"
