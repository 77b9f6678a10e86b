"""Choose among several files that could be the same thing, by what their names mean, and say which and why.

What only the headers can tell is left open (`Choice.open`) for `header_choice` in the job that reads them. Where
nothing decides, the subject waits for the user, whose patterns (`dataset.choose`) overrule everything.

Used when the Snakefile is parsed: standard library only.
"""

import fnmatch
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

# what a name says of who made a label; one without such a word is taken as the dataset's own
REVIEWED = r"consensus|gold|ground.?truth|corrected|final|staple|majority"
BY_HAND = r"manual|expert|(?<![a-z])hand|review|rater|reader|annot|curat|traced|radiologist|neurosurg"
BY_MACHINE = (
    r"(?<![a-z])auto|(?<![a-z])pred|prediction|inference|output|hd.?glio|nn.?unet|deep|unet|samseg|(?<![a-z])lst(?![a-z])"
    r"|synthseg|(?<![a-z])sam(?![a-z])|medsam|monai|glistr|totalseg|toolkit|(?<![a-z])ai(?![a-z])|(?<![a-z])cnn|approx"
)
# what a name says of contrast agent, of `postGd`, `ce-gad` and the like; after an operation is not after an agent
WITHOUT_AGENT = (
    r"(?<![a-z])pre(?!op)|(?<![a-z])non?[-_. ]?(?:gd|gad|ce|con|enh)|without|nativ|unenh"
    r"|(?<![a-z])wo[-_. ]?(?:gd|gad|c(?:on.*)?)?(?![a-z])|nocontrast|nogad"
)
WITH_AGENT = (
    r"post(?!op|er)|gad|gd(?![a-z])|(?<![a-z])gd|contrast|enh|(?<![a-z])ce(?![a-z])|(?<![a-z])km(?![a-z])|t1c(?:e|\b|$)"
    r"|plusc|(?<![a-z])c\+|\+c"
)
# parts of the body that no whole head is called by; a slab of one is no scan of the brain
OTHER_PART = (
    r"hippo|spin(?:e|al)|cerv|thora|lumb|sacr|(?<![a-z])neck|orbit|pituit|sella|(?<![a-z])iac(?![a-z])|slab|amygd"
    r"|(?<![a-z])mtl(?![a-z])|brain.?stem|locali[sz]|scout|survey|(?<![a-z])cord(?![a-z])"
)
BEFORE = r"(?<![a-z])pre|baseline|(?<![a-z])base(?![a-z])|initial|first|(?<![a-z])bl(?![a-z])|diagnos"
AFTER = r"post|follow|(?<![a-z])fu(?![a-z])|late|last|recur|progress"
KEY = "dataset.choose"
MACHINE = 3  # rank of a label that a program made (`rank_maker`)


@dataclass(frozen=True)
class Wishes:
    """The key `dataset.choose`.

    Parameters
    ----------
    patterns : sequence of str
        A file that matches one (`*` is any text) is taken before others of its kind; one with `!` in front leaves files
        out. A pattern is compared with the end of a path, from any folder on.
    """

    patterns: Sequence[str] = ()

    def drops(self, path: str) -> bool:
        """Whether a file is to be left out."""
        return any(_ends(path, pattern[1:]) for pattern in self.patterns if pattern.startswith("!"))

    def prefers(self, path: str) -> bool:
        """Whether a file is to be taken before others."""
        return any(_ends(path, pattern) for pattern in self.patterns if not pattern.startswith("!"))

    def idle(self, paths: Sequence[str]) -> list[str]:
        """List the patterns that fit none of some paths: a mistake in writing, perhaps."""
        return [
            pattern for pattern in self.patterns if not any(_ends(path, pattern.removeprefix("!")) for path in paths)
        ]


def _ends(path, pattern):
    """Check whether a path, or its end from any folder on, matches a pattern; brackets are letters like others."""
    parts, plain = path.split(os.sep), pattern.strip("/").replace("[", "[[]")
    ends = (os.sep.join(parts[start:]) for start in range(len(parts)))
    return fnmatch.fnmatchcase(path, plain) or any(fnmatch.fnmatchcase(end, plain) for end in ends)


@dataclass
class Choice:
    """The files chosen for one subject.

    Attributes
    ----------
    files : dict of str to str
        Sequence or "labels" to the file that is taken, or that is first of those left open.
    open : dict of str to list of str
        Kind to all files among which names do not decide, or only their order does: the headers do.
    ordered : list of str
        The kinds of `open` whose first file is taken if the headers do not decide either.
    notes, problems : list of str
        What was taken and left, with full paths; what the user has to decide.
    """

    files: dict[str, str] = field(default_factory=dict)
    open: dict[str, list[str]] = field(default_factory=dict)
    ordered: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def choose_files(
    candidates: dict[str, list[str]],
    meaning: Callable[[str, str], dict[str, int]],
    order: Callable[[str], dict[str, tuple]],
    wishes: Wishes,
) -> Choice:
    """Choose one file for each sequence, and for the labels.

    Parameters
    ----------
    candidates : dict of str to list of str
        Kind (sequence or "labels") to paths.
    meaning : callable
        Takes kind and path; returns reasons to numbers, the most important first; the lowest is taken.
    order : callable
        Takes a path; returns reasons to sort keys that decide if neither meaning nor headers do; equal keys leave the
        choice to the user.
    wishes : Wishes

    Returns
    -------
    Choice
    """
    made = Choice()
    for kind, listed in sorted(candidates.items()):
        paths = [path for path in sorted(listed, key=natural) if not wishes.drops(path)]
        if len(paths) < len(listed):
            dropped = [path for path in listed if path not in paths]
            made.notes.append(f"{kind}: left {', '.join(dropped)} out, as {KEY} says")
        if paths:
            _choose(made, kind, paths, (meaning, order), wishes)
    return made


def _choose(made, kind, paths, ranks, wishes):
    """Choose one of a kind's files, in place."""
    meaning, order = ranks
    wished = [path for path in paths if wishes.prefers(path)]
    if len(wished) == 1 or len(paths) == 1:
        made.files[kind] = (wished or paths)[0]
        if len(paths) > 1:
            made.notes.append(tell_choice(kind, wished[0], paths, f"{KEY} says so"))
        return
    pool = wished or paths
    ranked = {path: meaning(kind, path) for path in pool}
    best = min(tuple(rank.values()) for rank in ranked.values())
    equal = [path for path in pool if tuple(ranked[path].values()) == best]
    if len(equal) == 1:
        made.files[kind] = equal[0]
        made.notes.append(tell_choice(kind, equal[0], paths, _why(ranked, equal[0])))
        return
    keys = {path: order(path) for path in equal}
    equal.sort(key=lambda path: tuple(keys[path].values()))
    decided = tuple(keys[equal[0]].values()) != tuple(keys[equal[1]].values())
    made.files[kind], made.open[kind] = equal[0], equal
    made.ordered += [kind] if decided else []
    others = [path for path in paths if path not in equal]
    if others:
        made.notes.append(f"{kind}: left {', '.join(others)} ({_why(ranked, equal[0])})")


def tell_choice(kind: str, taken: str, paths: Sequence[str], why: str) -> str:
    """Say which file was taken and which were left, and why."""
    left = ", ".join(path for path in paths if path != taken)
    return f"{kind}: took {taken}, left {left} ({why})"


def tell_open(kind: str, paths: Sequence[str]) -> str:
    """Say that a subject waits for the user, who has to name one of several files."""
    return f"{kind}: waits for you: {' and '.join(paths)} fit equally; name one in {KEY}, or leave others out with !"


def _why(ranked, taken):
    """Name the first reason by which a file comes before another."""
    for other in ranked.values():
        for reason, value in ranked[taken].items():
            if value < other[reason]:
                return reason
    return "its name"


def natural(text: str) -> list:
    """Return a sort key with numbers by value: `ses-2` before `ses-10`."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", text) if part]


def counts(text: str) -> list:
    """Return a name's numbers, which order files by meaning; a name without numbers comes first."""
    return [int(part) for part in re.findall(r"\d+", text)]


def says(words: str, text: str) -> bool:
    """Check whether a text has one of some words; capitals within it begin new ones (`mprageCE`, `postGd`)."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", text)
    return any(re.search(words, one, re.I) is not None for one in (apart, text.lower()))


def agent_of(text: str) -> str:
    """Read from a name whether it is of a scan "with" or "without" contrast agent; "" if it does not say."""
    if says(WITHOUT_AGENT, text):
        return "without"
    return "with" if says(WITH_AGENT, text) else ""


def rank_maker(text: str) -> int:
    """Rank a label by who made it, as its name says: reviewed, by hand, not said, by a machine (3)."""
    if says(REVIEWED, text):
        return 0
    if says(BY_HAND, text):
        return 1
    return MACHINE if says(BY_MACHINE, text) else 2


def leave_machine_made(labels: list[str], rank: Callable[[str], int], wishes: Wishes) -> tuple[list[str], list[str]]:
    """Leave out labels that a program made, by their names, unless the user wants them: they are no truth.

    Parameters
    ----------
    labels : list of str
    rank : callable
        Takes a path; as `rank_maker`.
    wishes : Wishes

    Returns
    -------
    labels, notes : list of str
    """
    left = [path for path in labels if rank(path) == MACHINE and not wishes.prefers(path)]
    note = f"labels: {', '.join(left)} named as made by a program, so not taken as truth; name it in {KEY} if it is"
    return [path for path in labels if path not in left], [note] if left else []


def rank_visit(name: str) -> tuple[int, list]:
    """Rank a session or visit by its name: before treatment, not said, after it; then by its numbers."""
    word = 0 if says(BEFORE, name) else 2 if says(AFTER, name) else 1
    return word, counts(name)
