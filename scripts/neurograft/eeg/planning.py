"""Say before a run of EEG what it takes and what it can show."""

from typing import Any

from neurograft.stats import paired_verdict

# standard deviation of the paired differences over the 16 people of `eeg_smni` at 3 own labels: .09 to .12
DEVIATION = 0.1
# seconds of one core: a recording, a simulated person, the gain of a head, a T1 that becomes a head, and one donor in
# one space (all strategies, three numbers of own labels, 61 channels)
IMPORT, SIMULATE, GAIN, T1, DONOR = 2, 7, 7, 24, 1


def plan_people(
    people: int, family: int, spaces: list[str], margin: float = 0.0, simulated: bool = False
) -> dict[str, Any]:
    """Plan a run, before any recording is opened.

    Parameters
    ----------
    people : int
        How many there are.
    family : int
        How many strategies are compared with own trials.
    spaces : list of str
    margin : float
        In balanced accuracy.
    simulated : bool

    Returns
    -------
    dict
        `seconds` (of one core, roughly), `smallest_difference` (in balanced accuracy, that 4 of 5 such studies find;
        None where no verdict can be given), `needed_people` (for a difference as small as the margin; None without
        one), and `words`, a list of lines.
    """
    cortex = any(space.startswith("cortex") for space in spaces)
    heads = GAIN * ("template" in spaces) + (0 if simulated else GAIN + T1) * cortex
    seconds = people * (IMPORT + SIMULATE * simulated + heads + DONOR * (people - 1) * len(spaces))
    words = [f"{people} people in {len(spaces)} spaces: roughly {max(1, round(seconds / 60))} min of one core"]
    plan = {"seconds": seconds, "smallest_difference": None, "needed_people": None, "words": words}
    if not family:
        return plan | {"words": [*words, "no verdict will be given: nothing is compared with own trials"]}
    if people < paired_verdict.FEWEST_PATIENTS:
        return plan | {"words": [*words, f"no verdict can be given; it takes {paired_verdict.FEWEST_PATIENTS} people"]}
    # a linear classifier has no luck of training
    smallest = paired_verdict.plan_comparison(people, people, family, DEVIATION, 0.0)
    words.append(
        f"{family} strategies to be compared with own trials at the fewest own labels: 4 of 5 such studies find a true "
        f"difference of {smallest:.3f} in balanced accuracy, if the paired differences have a standard deviation of "
        f"{DEVIATION:g} over people"
    )
    needed = paired_verdict.plan_patients(margin, people, family, DEVIATION, 0.0) if margin else None
    if needed is not None:
        words.append(f"a difference as small as the margin ({margin:g}) takes about {needed:.0f} people")
    return plan | {"smallest_difference": smallest, "needed_people": needed, "words": words}
