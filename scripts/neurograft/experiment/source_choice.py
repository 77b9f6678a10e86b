"""The sources of a run, chosen from the table: apart from `setup`, which sets up everything else."""

from collections.abc import Mapping
from dataclasses import dataclass

from neurograft.core.design import list_sources
from neurograft.sources.cohort_rows import KIND
from neurograft.sources.table import add_base_sources, is_remote, kind_of
from neurograft.sources.weights import add_ready, locate

# a row of `config/sources.tsv`
Source = Mapping[str, str]


@dataclass(frozen=True)
class SourceChoice:
    """The sources of a run, chosen from the table; each group maps names to rows and contains the previous group.

    Attributes
    ----------
    named : dict of str to dict
        The sources named in the experiment, and those from which they are made.
    scored : dict of str to dict
        The sources that every run scores before training: also those in `recommend.sources`.
    ranked : dict of str to dict
        The sources that `snakemake recommend` ranks: if `recommend.sources` is empty, also those already on this
        machine.
    weights : dict of str to str
        Source to the path of its weights, for all named sources and for the ranked 2-D sources.
    """

    named: dict[str, Source]
    scored: dict[str, Source]
    ranked: dict[str, Source]
    weights: dict[str, str]

    @property
    def fetched(self) -> list[str]:
        """The paths of the weights that must be downloaded."""
        return [path for name, path in self.weights.items() if is_remote(self.ranked[name])]


def choose_sources(config: dict, sources: dict[str, Source]) -> SourceChoice:
    """Choose the sources of a run from the table.

    Parameters
    ----------
    config : dict
        Complete, and checked against the table.
    sources : dict of str to dict
        Rows of `config/sources.tsv` by name.

    Returns
    -------
    SourceChoice

    Raises
    ------
    SourceError
        If the weights of a source are not at the path in its row.
    """
    asked = [name for task in config["experiment"].values() for name in list_sources(task)]
    named = add_base_sources({name: sources[name] for name in asked}, sources)
    scored = named | {name: sources[name] for name in config["recommend"]["sources"]}
    # what was learnt from a cohort before counts only where this run names it
    table = {name: row for name, row in sources.items() if kind_of(row) != KIND}
    ranked = scored if config["recommend"]["sources"] else add_ready(named, table)
    used = {name: row for name, row in ranked.items() if name in named or row["dimensions"] == "2"}
    weights = {name: locate(row) or f"results/sources/{name}/weights" for name, row in used.items()}
    return SourceChoice(named, scored, ranked, weights)
