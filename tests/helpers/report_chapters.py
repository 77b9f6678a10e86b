"""The chapters that the report has."""

CHAPTERS = (
    *(
        "Summary",
        "Patients",
        "Leaks",
        "Quality control",
        "Tumour candidates",
        "Training",
        "Results",
        "Does transfer help?",
    ),
    *("Eleven claims about transfer learning", "What transfer gained, and what it changed", "Predictions"),
    *("All subjects", "Methods", "How often would this verdict be wrong?", "Software and run times"),
)
