"""Set up a run: resolve the config, and find and check everything that it names, before any job starts.

The rules use this module when the Snakefile is parsed, in every job on a cluster, so it imports nothing heavy.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from neurograft.cohort.dicom_rules import digest_rules, read_rules
from neurograft.cohort.file_names import digest_names, digest_paths
from neurograft.cohort.layouts import CohortError, find_subjects
from neurograft.core import source_cohorts
from neurograft.core.cells import find_kin
from neurograft.core.config import SettingsError, fit_layout, resolve_config
from neurograft.core.control_splits import is_control
from neurograft.core.design import Design, check_experiment, check_variants
from neurograft.core.external import ExternalMasks, check_external
from neurograft.core.judging import check_target
from neurograft.core.prepared import fit_prepared, is_prepared, proposes_candidates
from neurograft.core.replay import check_own
from neurograft.core.stacked import fit_stacked, is_single
from neurograft.core.tables import TableError
from neurograft.experiment.source_choice import Source, SourceChoice, choose_sources
from neurograft.guard.contamination import gather_seen
from neurograft.guard.registry import find_stored, read_releases
from neurograft.imaging.templates import space_label, template_path
from neurograft.networks.sizes import ORDINARY, training_memory
from neurograft.preprocessing.extraction_engines import MissingEngineError, check_engines
from neurograft.sources.checks import check_recommended, check_simulated, check_sources
from neurograft.sources.cohort_rows import make_rows
from neurograft.sources.table import SourceError, has_head, kind_of, read_sources
from neurograft.sources.weights import locate, verify

# seconds on one core, rough: a subject's preprocessing and delivery at 1 mm, with and without stripping and
# registration, and a slice in a step of training
SECONDS_A_SUBJECT, SECONDS_A_PREPARED, SECONDS_A_SLICE = 40, 4, 0.009


class SetupError(ValueError):
    """A user's mistake that stops a run before any job; the message is one line that says what to do."""


@dataclass(frozen=True)
class RunSetup:
    """The facts that the rules use.

    Attributes
    ----------
    config : dict
        Complete, with all defaults.
    design : Design
        Arms and cells of the experiment.
    sources : dict of str to dict
        The whole table of sources, by name.
    choice : SourceChoice
        The sources of the run.
    kin : dict of str to tuple
        Network of each source (`cells.find_kin`), so that an arm is compared with a control of the same network.
    template : str or None
        Path of the template brain; None if each subject stays in its own space.
    subjects : dict of str to dict
        From `layouts.find_subjects`.
    series_rules, series_digest : str
        Path of the table that recognises DICOM series, and a digest of its content.
    cohorts : dict of str to RunSetup
        Of every cohort of the config's block `cohorts`, as of a run that only prepares it; what jobs make of its
        subjects lies in a folder of its own.
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
    cohorts: dict[str, "RunSetup"] = field(default_factory=dict)

    @property
    def learnt_cohorts(self) -> list[str]:
        """The cohorts that sources of the run learn from."""
        return [name for name in self.cohorts if source_cohorts.name_source(name) in self.choice.scored]

    @property
    def headed(self) -> dict[str, Source]:
        """The sources of the experiment that segment without any training, and so can be asked what they remember."""
        used = {arm["source"] for arm in self.design.list_arms("segmentation")}
        return {name: row for name, row in self.choice.named.items() if name in used and has_head(row)}

    @property
    def pictures(self) -> bool:
        """Whether each subject is one picture, without registration, segmentation and delivery."""
        return is_single(self.config)

    @property
    def prepared(self) -> bool:
        """Whether scans are used as they are, without skull-stripping and registration."""
        return is_prepared(self.config)

    @property
    def candidates(self) -> bool:
        """Whether tumour candidates are proposed."""
        return not self.pictures and proposes_candidates(self.config)

    @property
    def replayed(self) -> bool:
        """Whether there are control splits, to be shown beside the split by patient."""
        return any(is_control(arm["split"]) for arm in self.design.list_arms("classification"))

    @property
    def external(self) -> dict[str, ExternalMasks]:
        """The masks of other programs to evaluate, by the names that the user gave them."""
        return self.config["experiment"]["segmentation"]["external"]

    def match_sources(self, wanted: Callable[[Source], bool]) -> str:
        """Return a regular expression for the names of some sources, so that one rule can make all of them.

        Parameters
        ----------
        wanted : callable
            Takes a row of the table and returns whether its source is wanted.

        Returns
        -------
        str
            Matches nothing if no source is wanted.
        """
        return "|".join(re.escape(name) for name, row in self.sources.items() if wanted(row)) or "(?!)"

    def describe_source(self, name: str, *columns: str) -> dict[str, str]:
        """Return some columns of a source's row, so that changes in other columns do not rerun a job.

        Parameters
        ----------
        name : str
        *columns : str

        Returns
        -------
        dict of str to str
        """
        return {column: self.sources[name][column] for column in columns}

    def estimate_memory(self, *names: str) -> int:
        """Estimate the memory in MB of a training, the largest of some sources."""
        batch = self.config["train_network"]["patches"]["batch"]
        return max((training_memory(self.sources[name]["backbone"], batch) for name in names), default=ORDINARY)

    def list_training_options(self, strategy: str | None = None) -> dict:
        """List the options for training a network, so that changes of other options do not train it again.

        Parameters
        ----------
        strategy : str, optional
            If it is a variant, its row of the config's `variants` is added.

        Returns
        -------
        dict
            The config's block `train_network` without `sampling`, which determines an input; with a strategy also
            `variants`.
        """
        options = {name: value for name, value in self.config["train_network"].items() if name != "sampling"}
        if strategy is None:
            return options
        return options | {"variants": {name: row for name, row in self.config["variants"].items() if name == strategy}}

    def list_split_options(self) -> dict:
        """List the options for splitting the cohort; those of control splits only if the experiment has any.

        Returns
        -------
        dict
            Keywords of `splits.split_cohort`.
        """
        options, wanted = dict(self.config["split_cohort"]), self.config["experiment"]["classification"]
        if self.replayed:
            options["by_slice"] = "subjects" if self.pictures else "parts"
        if wanted["unit"] == "slice" and not self.pictures:
            options["unit"] = "slice"
        return options

    def list_pretraining_options(self) -> dict:
        """List the options for pretraining a source during the run.

        Returns
        -------
        dict
            The config's block `pretrain`, with the `batch` and `threads` of every training, and `seed`.
        """
        shared = {name: self.config["train_network"][name] for name in ("batch", "threads")}
        return self.config["pretrain"] | shared | {"seed": self.config["seed"]}

    def list_cohort_options(self, cohort: str) -> dict:
        """List the options for learning a source from a cohort.

        Returns
        -------
        dict
            Arguments of `loop.TrainingOptions`: the cohort's `steps`, and the `batch` and `threads` of every training.
        """
        block, training = self.config["cohorts"][cohort], self.config["train_network"]
        volumes = self.sources[source_cohorts.name_source(cohort)]["dimensions"] == "3"
        batch = training["patches"]["batch"] if volumes else training["batch"]
        return {"steps": block["steps"], "batch": batch, "threads": training["threads"], "seed": self.config["seed"]}

    def list_guard_options(self) -> dict:
        """List the options for the leak guard.

        Returns
        -------
        dict
            Arguments of `guarding.GuardOptions` besides the registry.
        """
        asked = self.config["experiment"]["classification"]
        unused = {source_cohorts.name_source(name) for name in self.cohorts if name not in self.learnt_cohorts}
        rows = {name: row for name, row in self.sources.items() if name not in unused}
        return self.config["guard_leaks"] | {
            "sources": [{"name": name, "seen": gather_seen(row, self.sources)} for name, row in rows.items()],
            "simulated": self.config["dataset"]["layout"] == "phantom",
            "single": self.pictures,
            "everyone": bool(asked["strategies"]) and asked["target"] != "tumour-slice",
            "pretrained": any(kind_of(row) == "masked" for row in self.choice.named.values()),
        }

    def list_pictures(self, subject: str) -> list[str]:
        """List the pictures and masks from which a subject's volumes are stacked, as inputs of a job.

        Parameters
        ----------
        subject : str

        Returns
        -------
        list of str
            Without paths that Snakemake cannot be told; `digest_pictures` knows those too.
        """
        return _list_plain(self._list_slices(subject))

    def digest_pictures(self, subject: str) -> str:
        """Compute a digest of the names, sizes and times of the pictures of a subject."""
        return digest_paths(self._list_slices(subject))

    def _list_slices(self, subject):
        slices = self.subjects[subject]["slices"]
        return [path for one in slices for path in (*one["files"], one["mask"]) if path]

    def foresee(self) -> str:
        """Say how many subjects a run prepares, how many networks it trains, and how long it takes, if all are usable.

        Returns
        -------
        str
            One sentence; the time is a rough guess, which `plan` measures.
        """
        rows = [
            {"participant_id": label, "included": "true", "labels": str("labels" in entry["files"]).lower()}
            | {"site": entry["site"], "sequences": ",".join(entry["files"])}
            | entry["columns"]
            for label, entry in self.subjects.items()
            if entry["files"] and not entry["problems"]
        ]
        training = self.config["train_network"]
        steps = training["auto"]["most"] if training["steps"] == "auto" else training["steps"]
        cells = sum(count for counts in self.design.count_trainings(rows).values() for count in counts.values())
        # one job reads all single pictures
        each = 0 if self.pictures else SECONDS_A_PREPARED if self.prepared else SECONDS_A_SUBJECT
        seconds = each * len(rows) + SECONDS_A_SLICE * cells * steps * training["batch"]
        lasting = f"{max(1, round(seconds / 60))} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
        learnt = [f"the cohort {name}: {len(self.cohorts[name].subjects)} subjects" for name in self.learnt_cohorts]
        more = f" Besides, it prepares and learns from {' and '.join(learnt)}." if learnt else ""
        return (
            f"A run prepares {len(rows)} subjects and trains {cells} networks: roughly {lasting} of one core; "
            f"plan measures it.{more}"
        )

    def digest_names(self) -> str:
        """Compute a digest of the names below the roots of the dataset; "" where a job reads all files anyway."""
        dataset = self.config["dataset"]
        roots = dataset["root"] if isinstance(dataset["root"], list) else [dataset["root"]]
        return "" if dataset["layout"] == "dicom" else digest_names(roots)

    def list_stack_options(self) -> dict:
        """List the options for stacking pictures, so that other changes do not stack them again.

        Returns
        -------
        dict
            Arguments of `stacking.StackOptions.from_config`.
        """
        dataset, scheme = self.config["dataset"], self.config["import_scans"]["labels"]
        return {"sequences": dataset["sequences"], "spacing": dataset["pictures"]["spacing"], "scheme": scheme}

    def list_scans(self, subject: str) -> list[str]:
        """List the user's own files of a subject, not those made by jobs of the run, as inputs of a job.

        Parameters
        ----------
        subject : str

        Returns
        -------
        list of str
            Existing files only; missing ones are reported in the subject's status. Empty if excluded by hand. Without
            paths that Snakemake cannot be told; `digest_scans` knows those too.
        """
        return _list_plain(self._list_given(subject))

    def digest_scans(self, subject: str) -> str:
        """Compute a digest of the names, sizes and times of the user's own files of a subject.

        Unlike the times that Snakemake compares, it also tells an older file in the place of a newer one.
        """
        return digest_paths(self._list_given(subject))

    def digest_all_scans(self) -> str:
        """Compute a digest of the user's own files of all subjects."""
        return digest_paths(path for subject in self.subjects for path in self._list_given(subject))

    def _list_given(self, subject):
        entry = self.subjects[subject]
        # all files among which the headers decide
        waiting = [path for paths in entry.get("open", {}).values() for path in paths]
        paths = dict.fromkeys([*entry["files"].values(), *waiting])
        return [path for path in paths if not path.startswith("results/") and Path(path).exists()]


def _list_plain(paths):
    """Leave out paths in whose braces Snakemake would see a wildcard; there is no way to write them otherwise."""
    return [path for path in paths if "{" not in path]


def prepare_run(config: dict, root: str | Path, verified: bool = True) -> RunSetup:
    """Resolve a config, check it, and find everything that it names.

    Parameters
    ----------
    config : dict
        As given by the user; it is not changed.
    root : str or Path
        The folder of the Snakefile, with `config/` and `workflow/schemas/`.
    verified : bool
        Whether to check the hashes of weights on this machine.

    Returns
    -------
    RunSetup

    Raises
    ------
    SetupError
        One line for the first mistake found.
    """
    try:
        return _prepare(config, Path(root), verified)
    except MISTAKES as mistake:
        raise SetupError(str(mistake)) from None


def _prepare(config, root, verified):
    """Do the work of `prepare_run`, raising each mistake with its original type."""
    schema = yaml.safe_load((root / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
    config = fit_stacked(fit_layout(resolve_config(config, schema), config), given := config)
    config = source_cohorts.name_sources(fit_prepared(config, given))
    check_engines(**config["strip_skull"])
    sources = read_sources(root / "config/sources.tsv")
    sources |= make_rows(config["cohorts"], sources)
    _check_config(config, sources)
    releases = read_releases(root / "config")
    find_stored(root / "config", config["guard_leaks"]["releases"], releases)
    choice = choose_sources(config, sources)
    for name, path in choice.weights.items():
        if verified and locate(sources[name]):
            verify(path, sources[name]["sha256"])
    template = config["register_scans"]["template"]
    spaces = {"template": space_label(template), "native": space_label("none")}
    dealt, delivered = config["split_cohort"], config["deliver"]["strategy"]
    path = template_path(template)
    subjects = find_subjects(**config["dataset"])
    if verified:
        _check_folds(given.get("split_cohort", {}).get("folds", 0), subjects)
    series_rules = config["convert_dicom"]["rules"] or f"{root}/config/sequences.tsv"
    series_digest = digest_rules(read_rules(series_rules))
    check_target(config["experiment"]["classification"]["target"], subjects)
    check_own(config["experiment"]["classification"], subjects)
    cohorts = {name: _prepare_cohort(name, given, root) for name in config["cohorts"]}
    for name, cohort in cohorts.items():
        source_cohorts.check_apart(name, cohort.config["dataset"], config["dataset"])
        source_cohorts.check_patients(name, cohort.subjects, subjects, dealt["sequences"])
    return RunSetup(
        config=config,
        design=Design(config["experiment"], spaces, dealt["folds"], delivered, dealt["repeats"]),
        sources=sources,
        choice=choice,
        kin=find_kin(choice.named.values()),
        template=path,
        subjects=subjects,
        series_rules=series_rules,
        series_digest=series_digest,
        cohorts=cohorts,
    )


def _prepare_cohort(name, given, root):
    """Prepare a source's cohort as a run of its own."""
    try:
        run = _prepare(source_cohorts.write_config(name, given), root, verified=False)
    except MISTAKES as mistake:
        words = str(mistake).removeprefix("config: ").removeprefix(f"cohorts.{name}.").removeprefix(f"cohorts.{name}: ")
        raise SettingsError(f"config: cohorts.{name}: {words}") from None
    return replace(run, subjects=source_cohorts.move_outputs(name, run.subjects))


def _check_folds(asked, subjects):
    """Refuse more folds than there are subjects, if the user asked for them; fewer labels are told by the split."""
    if asked > len(subjects):
        raise SettingsError(
            f"config: split_cohort.folds is {asked}, but there are {len(subjects)} subjects; a fold tests one "
            "patient at least, lower it"
        )


def _check_config(config, sources):
    """Check what the schema cannot express: that the parts of a config fit each other and the table of sources."""
    experiment, dealt = config["experiment"], config["split_cohort"]
    check_variants(config["variants"])
    check_experiment(experiment, config["deliver"]["strategy"], sources, dealt["between"], dealt["repeats"])
    check_external(experiment["segmentation"]["external"], experiment["segmentation"]["strategies"], sources)
    check_sources(experiment, sources, config["publish"])
    if not proposes_candidates(config):
        check_simulated(experiment, sources)
    check_recommended(config["recommend"]["sources"], sources)
    if config["dataset"]["layout"] == "images" and config["train_network"]["planes"] != ["axial"]:
        raise SettingsError("config: train_network.planes: pictures are slices of one plane; leave it out")


# exceptions raised by the checks; any other is a bug
MISTAKES = (SettingsError, SourceError, CohortError, MissingEngineError, TableError, FileNotFoundError)
