"""Draw the two pictures of a cohort in docs/results.md from its finished run.

PYTHONPATH=scripts python benchmarks/results_pictures.py RUN NAME

RUN is the run's working directory. Writes `docs/pictures/results-NAME-patients.svg` (score over labelled patients) and
`results-NAME-steps.svg` (score over the steps of training), as the report draws them, for its first source.
"""

import sys
from pathlib import Path

from neurograft.core import files, tables
from neurograft.core.cells import find_kin
from neurograft.report import summaries
from neurograft.report.chapters import transfer

ROOT = Path(__file__).resolve().parents[1]
STANDALONE = 'xmlns="http://www.w3.org/2000/svg" style="background: white" font-family="system-ui, sans-serif" '


def draw(folder):
    """Draw the pictures of a run's `results` folder; return name to SVG."""
    evaluated = folder / "evaluation"
    splits = files.read_json(folder / "splits.json")
    judged = [row for row in tables.read_table(evaluated / "comparison.tsv") if row["verdict"]]
    primary = {name: judged[0][name] for name in ("space", "split")}
    scores = summaries.keep_primary(tables.read_table(evaluated / "scores.tsv"), primary)
    pooled = summaries.of_networks(summaries.pool_patients(scores, splits))
    kin = find_kin(tables.read_table(ROOT / "config/sources.tsv"))
    panels = {
        "patients": transfer.describe_curves(pooled, splits, kin)["panels"],
        "steps": transfer.describe_gains(tables.read_table(evaluated / "gain_by_budget.tsv"))["panels"],
    }
    return {name: str(drawn[0]["svg"]) for name, drawn in panels.items() if drawn}


if __name__ == "__main__":
    run, cohort = sys.argv[1:]
    for name, drawn in draw(Path(run) / "results").items():
        place = ROOT / f"docs/pictures/results-{cohort}-{name}.svg"
        place.write_text(drawn.replace("<svg ", f"<svg {STANDALONE}", 1) + "\n", encoding="utf-8")
        print(place)
