"""The chapter on methods, written from the configuration, with its references."""

from pathlib import Path

from neurograft.cohort.assignment import choose_unlabelled
from neurograft.core.labels import is_own, judged_region
from neurograft.core.prepared import is_prepared, proposes_candidates
from neurograft.core.region_words import name_region
from neurograft.core.source_cohorts import PREFIX
from neurograft.core.stacked import is_single, is_stacked
from neurograft.core.strategies import CONTROLS, ENSEMBLE, METHODS, UNTRAINED
from neurograft.report.chapters.pictures import describe_evaluation, describe_pictures
from neurograft.report.chapters.replay import describe_controls
from neurograft.report.references import read_references, split_citation
from neurograft.report.sentences import describe_repeats
from neurograft.report.strategy_words import WORDS, Words
from neurograft.report.summaries import count_folds
from neurograft.sources.table import base_of, kind_of

SCALES = {
    "nyul": "Intensities within the brain were normalised by a robust z-score and, for each network, mapped by "
    "histogram landmarks to the mean histogram of its training patients (nyul).",
}
BIAS = "The bias field of each sequence was corrected with N4."
# how each kind of source that the workflow makes (`table.MADE_FROM`) was made, or (`no patients`) could not be made
PRETRAININGS = {
    "simulated": "The source {name} was made here: a segmentation network was trained from random weights for {steps} "
                 "steps on {subjects} simulated patients, none of them from this cohort, and its encoder was kept.",
    "masked": "The source {name} was made here from {base}, without labels: in slices of those patients of this cohort "
              "who had no labelled scan, squares were masked, and the encoder was trained for {steps} steps to "
              "reconstruct them. No scan of these patients was scored.",
    "shuffled": "The source {name}, a negative control, was made here from {base}: the values in each tensor of its "
                "weights were put in random order.",
    "cohort": "The source {name} was made here: from {start}, a segmentation network was trained ({strategy}) for "
              "{steps} steps on the labelled patients of another cohort, {cohort}, except those who were found to be "
              "patients of this cohort too, and its encoder, decoder and, of the outputs that both have, its head were "
              "kept.",
    "no patients": "The source {name}, which learns from patients without labels, could not be made: there were no "
                   "such patients.",
}  # fmt: skip
STACKED = "The two-dimensional pictures of each patient were stacked in the order of the numbers in their names."
NO_SIZE = " The size of a pixel was not known and counts as 1 mm, as does the distance of two pictures."
NETWORKS = {
    "segmentation": ("MONAI FlexibleUNet", ("monai", "torch")),
    "patches": ("A 3-D network with a decoder of MONAI's U-Net blocks", ("monai", "torch")),
    "classification": ("A classifier of pooled encoder features", ("torch",)),
}


def write_methods(config, splits, version="", sources=()):
    """Write the methods in the past tense, ready for a paper, from the configuration of the run.

    Parameters
    ----------
    config : dict
        The resolved configuration; what it does not contain is left out of the text.
    splits : dict
        `results/splits.json`.
    version : str
        Version of neurograft.
    sources : iterable of dict
        Rows of `config/sources.tsv`: the `citation` of each source that was used is a reference.

    Returns
    -------
    paragraphs : list of list of (str, list of int)
        Sentences, each with the numbers of its references.
    references : list of dict
        `number`, `text` and `doi` (or None), in the order of citation.
    """
    order = {}
    # a source may have the same name as a score, so the keys of scores have a prefix
    listed = read_references()
    scores = {f"score {name}": work for name, work in listed.scores.items()}
    works = {row["name"]: split_citation(row["citation"]) for row in sources} | scores | listed.works
    works["score reliability"] = listed.score_reliability

    def cite(sentence, *keys):
        return sentence, [order.setdefault(works[key], len(order) + 1) for key in keys if key in works]

    # in the order of the text, because references are numbered in order of appearance
    paragraphs, pictures = [_background(cite, version)], is_single(config)
    if pictures:
        paragraphs += [describe_pictures(cite, config)]
    else:
        paragraphs += [_taken(cite, config) if is_prepared(config) else _preprocessing(cite, config)]
        paragraphs += [_candidates(cite, config)] if proposes_candidates(config) else []
    experiment, tasks = config.get("experiment", {}), splits.get("tasks", {})
    trained = {task: split for task, split in tasks.items()
               if split.get("trainable") and experiment.get(task, {}).get("strategies")}  # fmt: skip
    if trained:
        volumes = {row["name"] for row in sources if row.get("dimensions") == "3"}
        pretraining = _pretraining(cite, config, trained, {row["name"]: row for row in sources}, splits)
        paragraphs += [pretraining + _training(cite, config, trained, volumes)]
        evaluation = describe_evaluation(cite, trained) if pictures else []
        paragraphs += [evaluation or _evaluation(cite, splits.get("scheme"), trained)]
    if "classification" in trained:
        controls = describe_controls(cite, config, list_named(experiment["classification"], "splits"))
        paragraphs += [controls] if controls else []
    if "segmentation" in trained:
        paragraphs.append(_scores(cite, is_own(splits.get("scheme") or "")))
    return paragraphs, [{"number": number, "text": work.text, "doi": work.doi} for work, number in order.items()]


def _background(cite, version):
    return [
        cite(f"The data were processed with neurograft {version}".rstrip() + ", a Snakemake workflow.", "snakemake"),
        cite("It tests whether transfer learning helps, because most studies of transfer learning in brain MRI do not "
             "compare it with training from scratch; earlier studies reported high accuracies of ImageNet networks on "
             "slices.", "valverde", "ahuja", "lu"),
        cite("Anatomical normalisation is itself a form of transfer between persons.", "wronkiewicz"),
    ]  # fmt: skip


def _preprocessing(cite, config):
    register = config.get("register_scans", {})
    engine = config.get("strip_skull", {}).get("engine", "deepbet")
    stripping = {"robex": ("ROBEX", "robex"), "hd-bet": ("HD-BET", "hd-bet")}.get(engine, ("deepbet", "deepbet"))
    engine, template, spacing = register.get("engine"), register.get("template"), register.get("spacing")
    method = config.get("normalize_intensity", {}).get("method")
    bias_corrected = config.get("normalize_intensity", {}).get("bias_correction")
    tool = {"greedy": ("greedy", ("greedy",)), "ants": ("ANTs", ("ants",)), "simpleitk": ("SimpleITK", ("simpleitk",))}
    tool = tool.get(engine, ("affine registration", ()))
    # a paper names the file, but not the folders of somebody's computer
    named = f"the template {Path(template).name}" if template else "a template"
    target = "the MNI152 template" if template == "MNI152" else named
    affine = "" if template == "none" else f", and the reference affinely to {target}"
    mni = ("mni",) if template == "MNI152" else ()
    origins = {
        "phantom": ("All subjects were SIMULATED from the MNI152 template with known tumours.", "mni"),
        "dicom": ("DICOM series were converted with dcm2niix, and sequences were recognised from their headers by a "
                  "table of rules.", "dcm2niix"),
    }  # fmt: skip
    origin = origins.get(config.get("dataset", {}).get("layout"))
    deformed = (
        "The reference was then registered deformably to the template; tumour candidates were excluded from the "
        "similarity measure and moved rigidly."
    )
    return [
        *([cite(*origin)] if origin else []),
        cite("Scans were checked, reoriented to canonical axes, and skull-stripped with "
             f"{stripping[0]} on every sequence, unless they had been already; the brain masks of the sequences were "
             "combined by majority vote.", stripping[1]),
        cite(f"With {tool[0]}, each sequence was registered rigidly to the subject's reference sequence, unless it was "
             f"already aligned{affine}; the transforms were composed, and each image was resampled once"
             + (f" to {_say_size(spacing)}." if spacing else "."), *tool[1], *mni),
        *([cite(deformed, "brett")] if register.get("deformable") and template != "none" else []),
        *([cite(BIAS, "n4")] if bias_corrected else []),
        cite(SCALES.get(method, f"Intensities within the brain were normalised ({method})." if method else
             "Intensities within the brain were normalised."), method),
    ]  # fmt: skip


def _taken(cite, config):
    """Describe scans that were prepared elsewhere."""
    spacing, block = config["register_scans"].get("spacing"), config.get("normalize_intensity", {})
    grid = f"resampled once to {_say_size(spacing)}" if spacing else "left on their own grid"
    method = block.get("method")
    stacked = STACKED + ("" if config.get("dataset", {}).get("pictures", {}).get("spacing") else NO_SIZE)
    return [
        *([cite(stacked)] if is_stacked(config) else []),
        cite("Scans were checked, reoriented to canonical axes, and used as they had been prepared before: nothing was "
             f"skull-stripped or registered, and images were {grid}."),
        *([cite(BIAS, "n4")] if block.get("bias_correction") else []),
        cite(SCALES.get(method, f"Intensities within the field of view were normalised ({method}).").replace(
            "within the brain", "within the field of view"), method),
    ]  # fmt: skip


def _say_size(spacing):
    """Write a voxel size: one number, or one for each axis."""
    return " x ".join(f"{size:g}" for size in (spacing if isinstance(spacing, list) else [spacing])) + " mm"


def _candidates(cite, config):
    block = config.get("propose_candidates", {})
    count = f" (about {block['segments']:,}, {block.get('engine', '')})" if block.get("segments") else ""
    return [
        cite(f"Tumour candidates were connected regions of SLIC supervoxels{count} of the stripped sequences, ranked "
             "without training by intensity and left-right asymmetry.", "slic"),
    ]  # fmt: skip


def _pretraining(cite, config, trained, rows, splits):
    """Describe the sources that the workflow made itself, if a strategy used their weights."""
    spans = [config["experiment"][task] for task in trained]
    using = [span for span in spans if set(list_named(span, "strategies")) - {*CONTROLS, *UNTRAINED}]
    used = dict.fromkeys(name for span in using for name in list_named(span, "sources"))
    block, sentences = config.get("pretrain", {}), []
    for row in (rows[name] for name in used if name in rows and kind_of(rows[name])):
        facts = {"name": row["name"], "base": base_of(row), "steps": block.get("steps", "some")}
        cohort = row.get("seen", "").removeprefix(PREFIX)
        if kind_of(row) == "cohort":
            facts |= config["cohorts"][cohort] | {"cohort": cohort, "start": base_of(row) or "random weights"}
        lacking = kind_of(row) == "masked" and not choose_unlabelled(splits)
        words = PRETRAININGS["no patients" if lacking else kind_of(row)]
        words = words.format(**facts, subjects=block.get("subjects", "some"))
        sentences.append(cite(words, row["name"], *filter(None, [base_of(row)])))
    return sentences


def _length(block, deep):
    """Write how long the trainings were, by the config's block `train_network`; `deep`: some were on volumes."""
    if not {"steps", "batch"} <= set(block):
        return "All strategies had the same input, augmentation and a fixed number of steps, without early stopping."
    kinds = [f"of {block['batch']} slices"] + ([f"of {block['patches']['batch']} patches in 3-D"] if deep else [])
    numbers = [block["steps"], block.get("patches", {}).get("steps")]
    limits = block.get("auto", {})
    named = [
        f"{limits['least']} to {limits['most']} steps {kind}" if number == "auto" else f"{number} steps {kind}"
        for number, kind in zip(numbers, kinds, strict=False)
    ]
    words = f"All strategies had the same input, augmentation and {' or '.join(named)}"
    if "auto" not in numbers[: len(kinds)]:
        words += ", without early stopping."
    else:
        share = f"{100 * limits['held_back']:.0f} %"
        words += f"; a training ended once the loss of {share} of its training patients, held back, no longer fell."
    if block.get("budgets"):
        shares = " and ".join(f"{100 * share:.0f} %" for share in sorted(block["budgets"]))
        words += f" Each network was also scored after {shares} of the steps, after a cool-down of the learning rate."
    if len(block.get("planes", ())) > 1:
        planes = f"{', '.join(block['planes'][:-1])} and {block['planes'][-1]}"
        words += f" Segmenters of slices learnt from {planes} slices; their probabilities of all planes were averaged."
    return words


def _training(cite, config, trained, volumes):
    block, sentences = config.get("train_network", {}), []
    for task, split in trained.items():
        span = config["experiment"][task]
        names, asked = list_named(span, "sources"), list_named(span, "strategies")
        harmonised = config.get("classify_supervoxels", {}).get("harmonise")
        sentences += _supervoxels(cite, [name for name in asked if name in METHODS], harmonised)
        strategies = [name for name in asked if name not in UNTRAINED]
        if not strategies:
            continue
        encoder = "like" if set(strategies) <= set(CONTROLS) else "pretrained as"
        flat, deep = ([name for name in names if (name in volumes) == wanted] for wanted in (False, True))
        kinds = [(NETWORKS[task], _inputs(split), flat)] if flat or not deep else []
        kinds += [(NETWORKS["patches"], _inputs(split, "patches of the volume"), deep)] if deep else []
        for (network, keys), seen, names in kinds:
            trained_on = f"{network} on {seen}, its encoder {encoder} {', '.join(names)}"
            sentences.append(cite(f"{trained_on}, was trained for {task}.", *keys, *names))
        ways = [_way(name, config.get("variants", {})) for name in strategies]
        more = [key for _, cited in ways for key in cited]
        sentences.append(cite("It was trained " + "; ".join(words for words, _ in ways) + ".", *more))
    if any(ENSEMBLE in list_named(config["experiment"][task], "strategies") for task in trained):
        sentences.append(cite("The ensemble is the mean of the probabilities of all of these, except the controls with "
                              "random weights and the strategies that saw images of test patients."))  # fmt: skip
    deep = any(set(list_named(config["experiment"][task], "sources")) & volumes for task in trained)
    sentences.append(cite(_length(block, deep)))
    others = [name for task in trained for name in config["experiment"][task].get("external", {})]
    words = f"Segmentations by {', '.join(others)}, made outside of this workflow, were scored and compared alike."
    sentences += [cite(words)] if others else []
    lacking = {subject for split in trained.values() for subject in split.get("incomplete", ())}
    words = (
        f"{len(lacking)} subject{'s' * (len(lacking) > 1)} lacked a sequence: its channel was set to zero, and in all "
        "trainings whole channels were dropped at random from half of the samples, keeping at least one."
    )
    sentences += [cite(words)] if lacking else []
    return sentences


def _supervoxels(cite, methods, harmonised):
    """Describe the methods that classified supervoxels instead of training a network."""
    if not methods:
        return []
    ways = "; ".join(WORDS[name].methods for name in methods)
    trees = "by gradient-boosted trees on intensity, texture, asymmetry, depth and the tissue priors of the template"
    harmonisation = (
        "Location and scale of their features were harmonised between sites with ComBat, with patients as samples, "
        "fitted on the training patients."
    )
    words = [cite(f"Supervoxels were classified without a network, {trees}: {ways}.", "ahuja")]
    return [*words, cite(harmonisation, "combat")] if harmonised else words


def list_named(span, key):
    """List the names under a key of a task's experiment and of its `also` blocks, each once."""
    blocks = (span, *span.get("also", ()))
    return list(dict.fromkeys(name for block in blocks for name in block.get(key, [])))


def _way(name, variants):
    """Return the words and references of a strategy, or of a variant together with its parameters."""
    row = variants.get(name, {"method": name})
    about = WORDS.get(row["method"], Words("", row["method"]))
    words, keys = about.methods, about.references
    differs = ", ".join(f"{key} {value:g}" for key, value in row.items() if key != "method")
    return f"{words} ({name}: {differs})" if differs else words, keys


def _inputs(split, kind="axial slices"):
    """Name the input of a network."""
    sequences = split.get("sequences", [])
    return "the pictures" if sequences == ["image"] else f"{kind} of {', '.join(sequences)}"


def _evaluation(cite, scheme, trained):
    folds, repeats = max(map(count_folds, trained.values()))
    brats = ("brats",) if str(scheme).startswith("brats") else ()
    paired = "paired over patients: mean difference with a 95 % confidence interval"
    whole = name_region(judged_region(name for task in trained.values() for name in task.get("regions", ())))
    sentences = [
        cite(f"Patients, not slices, were assigned to {folds} stratified folds{describe_repeats(repeats)}, "
             "because slices of one patient on both sides inflate every score.", "yagis"),
    ]  # fmt: skip
    if "segmentation" not in trained:
        return [*sentences, cite(f"Each strategy was compared with the controls, {paired}, without a verdict.")]
    return [
        *sentences,
        cite("Scores were computed on the native grid of the reference against the original label file.", *brats),
        cite(f"The primary analysis was {whole} Dice at the largest number of training patients, each strategy "
             f"against scratch, {paired}, the largest p of a sign-flip test and of t tests over patients and over "
             "folds, with Holm's correction. All other comparisons have an interval and no verdict.", "holm"),
    ]  # fmt: skip


def _scores(cite, own_labels):
    pixels, slices = ("labelled and other", "any label") if own_labels else ("tumour and other brain", "tumour")
    named = "LogME, H-score (with shrinkage), TransRate, GBC and CC-FV"
    return [
        cite("Transferability scores of each 2-D source were computed from its frozen features in labelled patients, "
             f"at equal numbers of {pixels} pixels: {named}, averaged over feature maps and patients, "
             f"and, if the source has a classification head, LEEP on slices with and without {slices}.",
             *(f"score {name}" for name in read_references().scores)),
        cite("No such score is known to be reliable on medical tasks; each was compared with the gain measured with "
             "the frozen encoder if there were at least five sources.", "score reliability"),
    ]  # fmt: skip
