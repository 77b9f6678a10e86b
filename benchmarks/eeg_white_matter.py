"""Measure on real heads whether normals from a T1's own white matter decode better than the registered template's.

    PYTHONPATH=scripts python benchmarks/eeg_white_matter.py HEADS --seeds 12

HEADS is a folder with `*/t1.nii.gz` and `*/dlmuse.nii.gz`, an anatomical label map that another program made. What is
true is said by that map: sources face away from its white matter. Trials are simulated with these normals, and decoded
with others' trials alone, carried with the template's normals, and with those that `model_head` takes from the T1. The
map and the T1 see the same head, so errors of both are shared in part. It needs mne. Heads are computed once and kept
beside `--gains`: about 40 processor seconds each; then 2 a seed.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from neurograft.eeg import decoding, heads, person_heads, recordings, simulated_people, transfer
from neurograft.eeg.simulated_people import CHANNELS, CLASSES, Population
from neurograft.eeg.trials import split_trials
from neurograft.imaging import nifti
from neurograft.stats.paired_verdict import paired_comparison

# of the map: lobes' white matter, internal capsules, corpus callosum and fornix
WHITE = (44, 45, *range(81, 96))
SPACES = {
    "sensors": "sensors",
    "template": "template head",
    "plain": "T1 head, template's normals",
    "white": "T1 head, white matter's normals",
    "true": "truth",
}


def face_map(head, path):
    """Return normals that face away from a label map's white matter, and where they are clear."""
    image = nifti.read_image(str(path))
    white = np.isin(np.rint(np.asanyarray(image.dataobj)), WHITE)
    return person_heads.face_downhill(head, white, np.asarray(image.affine))


def make_heads(folder):
    """Model every head from its T1, and compute its gains in all directions."""
    template, cap = heads.read_template(), recordings.name_cap()
    positions = np.array([cap[name] for name in CHANNELS])
    made = {"template": heads.orient(heads.compute_free_gain(template, positions), template.normals)}
    made["cortex"] = template.cortex
    for path in sorted(Path(folder).glob("*/t1.nii.gz")):
        name = path.parent.name
        try:
            plain, record = person_heads.read_head(str(path), template)
            white, _ = person_heads.read_head(str(path), template, white=True)
        except person_heads.HeadError as fault:
            print(f"{name}: left out, {fault}", flush=True)
            continue
        true, clear = face_map(plain, path.with_name("dlmuse.nii.gz"))
        angles = [person_heads.measure_angle(one.normals, true, clear) for one in (plain, white)]
        away = f"the template's normals are {angles[0]:.0f} degrees away, the T1's {angles[1]:.0f}"
        inside = f"{record['inside']:.1%} of the cortex inside the skull"
        print(f"{name}: {inside}; from the map's white matter {away}", flush=True)
        made[f"free {name}"] = heads.compute_free_gain(plain, positions)
        made |= {f"plain {name}": plain.normals, f"white {name}": white.normals, f"true {name}": true}
    return made


def make_person(made, name, number, seed, population):
    """Simulate one person's trials, and every gain that a model might have of the head."""
    generator = np.random.default_rng([seed, number])
    free = made[f"free {name}"]
    gains = {kind: heads.orient(free, made[f"{kind} {name}"]) for kind in ("plain", "white", "true")}
    sources = simulated_people.choose_sources(made["cortex"], population, np.random.default_rng(seed))
    data, labels = simulated_people.simulate_trials(gains["true"], made["cortex"], sources, population, generator)
    data -= data.mean(axis=1, keepdims=True)
    data -= data.mean(axis=-1, keepdims=True)
    classes = np.array([CLASSES.index(label) for label in labels])
    bins = decoding.bin_trials(data, simulated_people.RATE, 0.1)
    return transfer.Person(bins, classes, split_trials(labels, CLASSES, (3,)), gains | {"template": made["template"]})


def score_space(crowd, space):
    """Decode everyone with others' trials alone; return balanced accuracies."""
    asked = space if space in ("sensors", "template") else "cortex"
    known = {
        name: replace(one, gains={"template": one.gains["template"], "cortex": one.gains.get(space)})
        for name, one in crowd.items()
    }
    rows = [transfer.decode_person(known, name, [asked], ["frozen"])[0] for name in crowd]
    return np.array([next(row["value"] for row in decoded) for decoded in rows])


def main():
    """Model, simulate, decode and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("heads", type=Path)
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--gains", type=Path, default=Path("eeg_white_matter.npz"))
    options, population = parser.parse_args(), Population()
    if not options.gains.exists():
        np.savez(options.gains, **make_heads(options.heads))
    made = dict(np.load(options.gains))
    names = [key.removeprefix("true ") for key in made if key.startswith("true ")]
    scores = {space: [] for space in SPACES}
    for seed in range(options.seeds):
        crowd = {name: make_person(made, name, number, seed, population) for number, name in enumerate(names)}
        for space in SPACES:
            scores[space].append(score_space(crowd, space))
        print(
            f"seed {seed}: " + ", ".join(f"{space} {100 * scores[space][-1].mean():.1f}" for space in SPACES),
            flush=True,
        )
    means = {space: np.mean(values, axis=0) for space, values in scores.items()}
    pairs = [(space, "sensors") for space in list(SPACES)[1:]] + [("white", "plain"), ("true", "white")]
    for space, other in pairs:
        row = paired_comparison(means[space] - means[other])
        print(f"{SPACES[space]} less {SPACES[other]}: {100 * row['mean']:+.1f} "
              f"({100 * row['low']:+.1f} to {100 * row['high']:+.1f})")  # fmt: skip


if __name__ == "__main__":
    main()
