"""The start of a run: the resolved config and everything that it names, found and checked before any job.

The rules use this module while the Snakefile is parsed, by every job of a cluster: nothing heavy is imported here.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from neurograft.cohort.dicom_rules import digest_rules, read_rules
from neurograft.cohort.layouts import CohortError, find_subjects
from neurograft.core.cells import find_kin
from neurograft.core.config import SettingsError, fit_layout, resolve_config
from neurograft.core.design import Design, check_experiment, check_variants, list_sources
from neurograft.core.external import ExternalMasks, check_external
from neurograft.core.judging import check_target
from neurograft.core.prepared import fit_prepared, is_prepared, proposes_candidates
from neurograft.core.stacked import fit_stacked, is_single
from neurograft.core.tables import TableError
from neurograft.imaging.templates import space_label, template_path
from neurograft.preprocessing.extraction_engines import MissingEngineError, check_engines
from neurograft.sources.checks import check_recommended, check_simulated, check_sources
from neurograft.sources.table import SourceError, add_base_sources, is_remote, read_sources
from neurograft.sources.weights import add_ready, locate, verify

# a row of `config/sources.tsv`
Source = Mapping[str, str]


class SetupError(ValueError):
    """A mistake of the user's that stops a run before any job; the message is one line that says what to do."""


@dataclass(frozen=True)
class SourceChoice:
    """The sources of a run, chosen from the table; each group is rows by name, and contains the one before.

    Attributes
    ----------
    named : dict of str to dict
        What the experiment names, and what these are made from.
    scored : dict of str to dict
        What every run scores before training: also those that `recommend.sources` names.
    ranked : dict of str to dict
        What `snakemake recommend` ranks: where `recommend.sources` names none, also what is on this machine already.
    weights : dict of str to str
        Source to the path of its weights, for all that are named and for the 2-D ones that are ranked.
    """

    named: dict[str, Source]
    scored: dict[str, Source]
    ranked: dict[str, Source]
    weights: dict[str, str]

    @property
    def fetched(self) -> list[str]:
        """The paths of the weights that have to be fetched from an address."""
        return [path for name, path in self.weights.items() if is_remote(self.ranked[name])]


@dataclass(frozen=True)
class RunSetup:
    """The facts that the rules go by.

    Attributes
    ----------
    config : dict
        Complete: every default filled in.
    design : Design
        Arms and cells of the experiment.
    sources : dict of str to dict
        The whole table of sources, by name.
    choice : SourceChoice
        Those of the run.
    kin : dict of str to tuple
        Which sources have the same network (`cells.find_kin`), so that an arm is held against a control of its kind.
    template : str or None
        Path of the template brain; None where registration stays in each subject's own space.
    subjects : dict of str to dict
        What `layouts.find_subjects` found.
    series_rules, series_digest : str
        Path of the table by which DICOM series are recognised, and a digest of what it says.
    """

    config: dict
    design: Design
    sources: dict[str, Source]
    choice: SourceChoice
    kin: dict[str, tuple]
    template: str | None
    subjects: dict[str, dict]
    series_rules: str
    series_digest: str

    @property
    def pictures(self) -> bool:
        """Whether a subject is one picture: nothing to register, to segment or to deliver."""
        return is_single(self.config)

    @property
    def prepared(self) -> bool:
        """Whether scans are taken as they are: nothing is stripped and nothing registered."""
        return is_prepared(self.config)

    @property
    def candidates(self) -> bool:
        """Whether tumour candidates are proposed."""
        return not self.pictures and proposes_candidates(self.config)

    @property
    def external(self) -> dict[str, ExternalMasks]:
        """The masks of other programs that are to be judged, by the user's names of them."""
        return self.config["experiment"]["segmentation"]["external"]

    def match_sources(self, wanted: Callable[[Source], bool]) -> str:
        """Return a regular expression for the names of some sources, so that one rule makes each of them.

        Parameters
        ----------
        wanted : callable
            From a row of the table to whether its source is wanted.

        Returns
        -------
        str
            It matches nothing where no source is wanted.
        """
        return "|".join(re.escape(name) for name, row in self.sources.items() if wanted(row)) or "(?!)"

    def describe_source(self, name: str, *columns: str) -> dict[str, str]:
        """Return some columns of a source's row, so that no job runs again for a column that it does not use.

        Parameters
        ----------
        name : str
        *columns : str

        Returns
        -------
        dict of str to str
        """
        return {column: self.sources[name][column] for column in columns}

    def list_training_options(self, strategy: str | None = None) -> dict:
        """List what a network is trained by, so that no change of anything else trains it again.

        Parameters
        ----------
        strategy : str, optional
            Of the config's variants of strategies, its own row alone is added.

        Returns
        -------
        dict
            The config's block `train_network` without `sampling`, which decides on an input; with a strategy also
            `variants`.
        """
        options = {name: value for name, value in self.config["train_network"].items() if name != "sampling"}
        if strategy is None:
            return options
        return options | {"variants": {name: row for name, row in self.config["variants"].items() if name == strategy}}

    def list_pretraining_options(self) -> dict:
        """List what a source is pretrained by during the run.

        Returns
        -------
        dict
            The config's block `pretrain`, with the `batch` and `threads` of every training, and `seed`.
        """
        shared = {name: self.config["train_network"][name] for name in ("batch", "threads")}
        return self.config["pretrain"] | shared | {"seed": self.config["seed"]}

    def list_pictures(self, subject: str) -> list[str]:
        """List the pictures and masks that a subject's volumes are made of.

        Parameters
        ----------
        subject : str

        Returns
        -------
        list of str
        """
        slices = self.subjects[subject]["slices"]
        return [path for one in slices for path in (*one["files"], one["mask"]) if path]

    def list_stack_options(self) -> dict:
        """List what pictures are stacked by, so that no other change stacks them again.

        Returns
        -------
        dict
            Arguments of `stacking.StackOptions.from_config`.
        """
        dataset, scheme = self.config["dataset"], self.config["import_scans"]["labels"]
        return {"sequences": dataset["sequences"], "spacing": dataset["pictures"]["spacing"], "scheme": scheme}

    def list_scans(self, subject: str) -> list[str]:
        """List the files of a subject that are the user's own, not made by a job of the run.

        Parameters
        ----------
        subject : str

        Returns
        -------
        list of str
            Those that exist: a missing one is told in the subject's status. None of a subject excluded by hand.
        """
        paths = self.subjects[subject]["files"].values()
        return [path for path in paths if not path.startswith("results/") and Path(path).exists()]


def prepare_run(config: dict, root: str | Path, verified: bool = True) -> RunSetup:
    """Resolve a config, check it, and find everything that it names.

    Parameters
    ----------
    config : dict
        As the user gave it; it is not changed.
    root : str or Path
        The folder of the Snakefile, with `config/` and `workflow/schemas/`.
    verified : bool
        Whether to compare the weights that are on this machine with their hashes.

    Returns
    -------
    RunSetup

    Raises
    ------
    SetupError
        One line for the first mistake found, wherever it was made.
    """
    try:
        return _prepare(config, Path(root), verified)
    except MISTAKES as mistake:
        raise SetupError(str(mistake)) from None


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
        If the weights of one are not where its row says.
    """
    asked = [name for task in config["experiment"].values() for name in list_sources(task)]
    named = add_base_sources({name: sources[name] for name in asked}, sources)
    scored = named | {name: sources[name] for name in config["recommend"]["sources"]}
    ranked = scored if config["recommend"]["sources"] else add_ready(named, sources)
    used = {name: row for name, row in ranked.items() if name in named or row["dimensions"] == "2"}
    weights = {name: locate(row) or f"results/sources/{name}/weights" for name, row in used.items()}
    return SourceChoice(named, scored, ranked, weights)


def _prepare(config, root, verified):
    """Do what `prepare_run` does, each mistake raised as what it is."""
    schema = yaml.safe_load((root / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
    config = fit_stacked(fit_layout(resolve_config(config, schema), config), given := config)
    config = fit_prepared(config, given)
    check_engines(**config["strip_skull"])
    sources = read_sources(root / "config/sources.tsv")
    _check_config(config, sources)
    choice = choose_sources(config, sources)
    for name, path in choice.weights.items():
        if verified and locate(sources[name]):
            verify(path, sources[name]["sha256"])
    template = config["register_scans"]["template"]
    spaces = {"template": space_label(template), "native": space_label("none")}
    folds, delivered = config["split_cohort"]["folds"], config["deliver"]["strategy"]
    path = template_path(template)
    subjects = find_subjects(**config["dataset"])
    series_rules = config["convert_dicom"]["rules"] or f"{root}/config/sequences.tsv"
    series_digest = digest_rules(read_rules(series_rules))
    check_target(config["experiment"]["classification"]["target"], subjects)
    return RunSetup(
        config=config,
        design=Design(config["experiment"], spaces, folds, delivered),
        sources=sources,
        choice=choice,
        kin=find_kin(choice.named.values()),
        template=path,
        subjects=subjects,
        series_rules=series_rules,
        series_digest=series_digest,
    )


def _check_config(config, sources):
    """Check what no schema can say: that the parts of a config fit together and fit the table of sources."""
    experiment = config["experiment"]
    check_variants(config["variants"])
    check_experiment(experiment, config["deliver"]["strategy"], sources, config["split_cohort"]["between"])
    check_external(experiment["segmentation"]["external"], experiment["segmentation"]["strategies"], sources)
    check_sources(experiment, sources, config["publish"])
    if not proposes_candidates(config):
        check_simulated(experiment, sources)
    check_recommended(config["recommend"]["sources"], sources)


# what the checks raise; anything else is a fault of the program
MISTAKES = (SettingsError, SourceError, CohortError, MissingEngineError, TableError, FileNotFoundError)
