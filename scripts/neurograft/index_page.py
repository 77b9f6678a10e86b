"""The values of the report's first page."""

from functools import partial

from neurograft import (
    arms,
    candidate_chapters,
    cautions,
    chapters,
    citing,
    claims,
    guidance,
    subject_pages,
    summaries,
    wording,
)
from neurograft import quality_chapters as group
from neurograft import transfer_chapters as transfer


def fill_index(run):
    """Fill every chapter of the index.

    Parameters
    ----------
    run : dict
        What `report.write_report` has put together.

    Returns
    -------
    dict
        The values of `index.html.j2`.
    """
    config, splits, scores, comparison = (run[name] for name in ("config", "splits", "scores", "comparison"))
    paragraphs, references = citing.write_methods(config, splits, run["version"], run["sources"])
    flow = chapters.tell_flow(run["cohort"], splits)
    pooled = summaries.pool_patients(scores, splits)
    classes = splits.get("tasks", {}).get("classification", {}).get("classes", [])
    told = cautions.tell_images(run["imported"], scores, run["contrast"], comparison, classes)
    told |= {"picture": "figures/copies.png" if run["imported"].get("copies") else ""} if told else {}
    found = {
        "images": told,
        "headline": told.get("headline")
        or wording.headline(comparison, splits, scores, run["cells"], run["simulated"]),
        "flow": flow,
        "quality": group.tell_quality(run["quality"], run["intensities"]),
        "candidates": candidate_chapters.tell_candidates(run["candidates"], run["cells"]),
        "training": chapters.tell_training(run["cells"], run["times"]),
        "results": chapters.tell_results([*pooled, *summaries.pool_patients(run["contrast"], splits)]),
        "comparison": chapters.tell_comparison(comparison),
        "claims": claims.show_claims(run["claims"], pooled),
        "claims_rule": claims.RULE,
        "transfer": transfer.tell_transfer(run, pooled),
        "errors": transfer.tell_errors(run["error_rates"], comparison, splits),
        "again": [wording.again_sentence(row) for row in run["again"]],
        "reading": guidance.TRANSFER,
        "overlays": chapters.choose_overlays(scores, run["strategy"], run["pictures"], run["source"]),
        "subjects": {} if told else subject_pages.list_rows(run),
        "paragraphs": paragraphs,
        "references": references,
        "runtimes": chapters.tell_runtimes(run["runtimes"]),
        "untrained": sorted({cell.get("reason") or "no reason" for cell in run["cells"] if not cell["trained"]}),
        "splits_hash": splits.get("hash", ""),
    }
    return (
        run
        | found
        | {"tiles": _tiles(flow, pooled, run["strategy"], run["source"], told), "attention": _attention(found)}
    )


def _tiles(flow, scores, strategy, source, told):
    """Choose the few numbers that stand at the top."""
    if told:
        keys = {"found": "files found", "included": "pictures", "units": "pictures and groups of copies"}
        return [(str(told["record"][key]), words) for key, words in keys.items()]
    tiles = [
        (str(flow["found"]), "subjects found"),
        (str(flow["included"]), "included"),
        (str(flow["labelled"]), "with labels"),
    ]
    own = summaries.delivered_means(scores, strategy, source)
    if own:
        found = summaries.mean_interval(own.values())
        tiles.append((f"{found['mean']:.3f}", f"mean whole-tumour Dice of {strategy}, unseen patients"))
    return tiles


def _attention(found):
    """List what a reader should look at first, each with the chapter that shows it."""
    listed, some = [], partial(arms.some, most=6)
    excluded, marked = found["flow"]["excluded"], found["quality"]["marked"]
    if excluded:
        listed.append(("flow", f"{len(excluded)} excluded: {some(row['participant_id'] for row in excluded)}"))
    if marked:
        listed.append(
            ("quality", f"{len(marked)} to look at in quality control: {some(row['subject'] for row in marked)}")
        )
    if found["flow"]["left_out"]:
        names = {row["subject"]: None for row in found["flow"]["left_out"]}
        listed.append(("flow", f"{len(names)} kept out of training: {some(names)}"))
    if found["flow"]["incomplete"]:
        names = {row["subject"]: None for row in found["flow"]["incomplete"]}
        listed.append(("flow", f"{len(names)} lack a sequence that the networks take: {some(names)}"))
    if found["candidates"]["flags"]:
        listed.append(("candidates", f"candidates flagged: {some(found['candidates']['flags'])}"))
    if found["training"]["falling"]:
        listed.append(("training", f"{len(found['training']['falling'])} trainings had not converged"))
    return listed + [("training", f"cells not trained: {reason}") for reason in found["untrained"]]
