"""Check the sources in a config against the table of sources.

Checks that need neither licences nor the table are in `core.design`. The Snakefile imports this module when it is
parsed, so it uses only the standard library.
"""

from neurograft.core.config import SettingsError
from neurograft.core.design import list_sources
from neurograft.sources.table import add_base_sources, forbids_sharing, kind_of


def check_sources(experiment, sources, publish):
    """Check that an experiment's sources are technically suitable and that their licences permit the use.

    Parameters
    ----------
    experiment : dict
        The config's block `experiment`, after `check_experiment`, so its sources are in the table.
    sources : dict
        Rows of `config/sources.tsv` by name.
    publish : bool
        Whether the trained networks are to be shared.

    Raises
    ------
    SettingsError
        One line for the first mistake found.
    """
    flat = ", ".join(name for name, row in sources.items() if row["dimensions"] == "2")
    for task, wanted in experiment.items():
        for name in list_sources(wanted):
            place, row = f"config: experiment.{task}.sources names '{name}'", sources[name]
            if task == "classification" and row["dimensions"] != "2":
                raise SettingsError(
                    f"{place}, which is a {row['dimensions']}-D source; classification is of slices: choose from {flat}"
                )
            for of in add_base_sources({name: row}, sources).values():
                reason = forbids_sharing(of["licence"])
                if publish and reason:
                    whose = "whose" if of is row else f"made from {of['name']}, whose"
                    mistake = f"{place}, {whose} licence {of['licence']} {reason}"
                    raise SettingsError(f"{mistake}: set publish to false, or take another source")


def check_simulated(experiment, sources):
    """Check that no source is pretrained on simulated tumours, for a dataset without tumours in whole brains.

    Parameters
    ----------
    experiment, sources
        As in `check_sources`.

    Raises
    ------
    SettingsError
        One line for the first mistake found.
    """
    for task, wanted in experiment.items():
        for name in list_sources(wanted):
            for of in add_base_sources({name: sources[name]}, sources).values():
                if kind_of(of) == "simulated":
                    raise SettingsError(
                        f"config: experiment.{task}.sources names '{name}', made of simulated tumours in whole brains: "
                        "not for prepared scans or own labels or sequences; take another source"
                    )


def check_recommended(wanted, sources):
    """Check that the sources to be ranked are in the table.

    Parameters
    ----------
    wanted : list of str
        `recommend.sources`.
    sources : dict
        Rows of `config/sources.tsv` by name.

    Raises
    ------
    SettingsError
        One line for the first source that is not.
    """
    for name in wanted:
        if name not in sources:
            raise SettingsError(f"config: recommend.sources names '{name}'; sources.tsv has: {', '.join(sources)}")
