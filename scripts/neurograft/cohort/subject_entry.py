"""Make the entry of one subject, as all layouts do; apart, since each layout's module needs it."""

from neurograft.cohort.choices import Choice
from neurograft.core.sequences import list_sequences

SITE_COLUMNS = ("site", "center", "centre", "site_id")


def make_entry(name, source, choice, columns=(), scheme="", problems=(), notes=()):
    """Build the entry of one subject; its site is taken out of the columns.

    Parameters
    ----------
    name, source : str
        Name in the dataset; folder, or row of a table.
    choice : Choice or dict of str to str
        The files; a dict if there was nothing to choose.
    columns : dict of str to str
        The dataset's own.
    scheme : str
        The label scheme that the file names suggest, or "".
    problems, notes : sequence of str

    Returns
    -------
    dict
        As described in `layouts.find_subjects`.
    """
    choice = choice if isinstance(choice, Choice) else Choice(dict(choice))
    columns = {key: "" if value == "n/a" else value for key, value in dict(columns).items()}
    sites = [columns.pop(key) for key in list(columns) if key.lower() in SITE_COLUMNS]
    kinds = [kind for kind in (*list_sequences(choice.files), "labels") if kind in choice.files]
    entry = {
        "name": name,
        "source": source,
        "files": {kind: choice.files[kind] for kind in kinds},
        "site": next(filter(None, sites), ""),
        "columns": columns,
        "scheme": scheme,
        "problems": [*problems, *choice.problems],
        "notes": [*choice.notes, *notes],
    }
    # absent where nothing is open, so that subjects of simple names are not imported again
    return entry | ({"open": choice.open, "ordered": choice.ordered} if choice.open else {})
