"""What is foretold of an experiment, against what it then takes."""

import threading

import pytest
import torch

from helpers import gpu
from helpers.fake_cells import freeze, write_slices
from neurograft.experiment import planning
from neurograft.experiment.network_cells import CellOptions
from neurograft.networks import compute, encoders_3d
from neurograft.stats import paired_verdict
from neurograft.training import loop
from neurograft.training.tasks import SubjectFiles

OPTIONS = {"steps": 12, "batch": 4, "threads": 1}
NAMES = [f"p{number:02d}" for number in range(12)]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Twelve labelled patients in four folds; nothing to classify."""
    root = tmp_path_factory.mktemp("cohort")
    slices = {name: write_slices(root / name / "slices", number) for number, name in enumerate(NAMES)}
    folds = [{"test": NAMES[k::4], "train": [n for n in NAMES if n not in NAMES[k::4]]} for k in range(4)]
    task = {"trainable": True, "reason": "", "sequences": ["t1c", "t2"], "subjects": NAMES, "folds": folds}
    task |= {"sites": [], "between": [], "unlabelled": [], "left_out": {}, "patients": {n: n for n in NAMES}}
    none = task | {"trainable": False, "reason": "fewer than 2 classes", "folds": [], "target": "grade", "classes": []}
    tasks = {"segmentation": task, "classification": none}
    return slices, freeze({"scheme": "brats2018", "schemes": dict.fromkeys(NAMES, "brats2018"), "tasks": tasks})


def judged(compared, margin=0.02):
    arms = [("efficientnet-lite0", strategy) for strategy in compared]
    return {"task": "segmentation", "compared": arms, "seeds": 1, "margin": margin}


def foretell(cohort, cells=8, compared=("lp-ft",), **options):
    slices, split = cohort
    counts = {"segmentation": {"efficientnet-lite0": cells}, "classification": {"efficientnet-lite0": 0}}
    backbones = {"efficientnet-lite0": "efficientnet-lite0"}
    options = CellOptions(**(OPTIONS | options))
    return planning.plan_experiment(counts, split, SubjectFiles(slices), backbones, options, judged(compared))


def test_cells_hours_and_the_smallest_difference(cohort):
    plan = foretell(cohort)
    first, second = plan["cells"]
    assert first["cells"] == 8 and first["seconds"] > 0
    assert first["hours"] == pytest.approx(8 * first["seconds"] / 3600, abs=0.002)
    assert second["seconds"] == 0 and second["reason"] == "fewer than 2 classes"
    assert (plan["patients"], plan["folds"], plan["family"]) == (12, 4, 1)
    assert plan["smallest_difference"] == pytest.approx(paired_verdict.plan_comparison(12, 4, 1), abs=5e-4)
    assert {(row["patients"], row["folds"], row["family"]) for row in plan["error_rates"]} == {(12, 4, 1)}
    assert (
        "8 networks" in plan["words"][0]
        and " min one after another" in plan["words"][0]
        and "fewer than 2 classes" in plan["words"][1]
    )
    assert f"find a true difference of {plan['smallest_difference']:.3f}" in plan["words"][2]
    assert "as small as the margin (0.02)" in plan["words"][3]


def test_repeats_are_no_folds_and_find_smaller_differences(cohort):
    slices, split = cohort
    task = split["tasks"]["segmentation"]
    repeated = [fold | {"repeat": repeat} for repeat in range(2) for fold in task["folds"]]
    split = split | {"tasks": split["tasks"] | {"segmentation": task | {"folds": repeated}}}
    once, twice = (foretell((slices, made), cells=8) for made in (cohort[1], split))
    assert (twice["folds"], twice["repeats"]) == (4, 2) and "repeats" not in once
    assert twice["smallest_difference"] < once["smallest_difference"]
    assert {row["repeats"] for row in twice["error_rates"]} == {2}
    assert "12 patients in 4 folds, 2 times anew, 1 to be compared" in twice["words"][2]


def test_classification_alone_has_no_verdict_to_plan_for(cohort):
    slices, split = cohort
    tasks = split["tasks"] | {"segmentation": split["tasks"]["segmentation"] | {"subjects": [], "folds": []}}
    split = split | {"tasks": tasks}
    counts = {"classification": {"efficientnet-lite0": 0}}
    plan = planning.plan_experiment(counts, split, SubjectFiles(slices), {}, CellOptions(**OPTIONS), judged(()))
    assert plan["family"] == 0 and plan["smallest_difference"] is None
    assert len(plan["words"]) == 2 and "it is about segmentation" in plan["words"][1]


def test_ten_times_the_steps_take_longer(cohort):
    short, long = (foretell(cohort, steps=steps)["cells"][0]["seconds"] for steps in (20, 2000))
    assert long > 10 * short


def test_only_controls_have_no_verdict_to_plan_for(cohort):
    plan = foretell(cohort, compared=())
    assert plan["family"] == 0 and plan["smallest_difference"] is None and plan["error_rates"] == []
    assert "no verdict will be given" in plan["words"][2]


def test_the_probe_computes_as_the_training_will_and_leaves_out_batches_drawn_before_it(cohort, monkeypatch):
    """Replaced: the seconds of the steps. The first is warm-up, during which two batches were drawn ahead."""
    gpu.take(monkeypatch, **gpu.BRAIN_FLOAT)
    usual, threads = loop.train, []

    def timed(network, *others):
        network.register_forward_hook(lambda *_: threads.extend(t.name for t in threading.enumerate()))
        course = usual(network, *others)
        assert len(course.seconds) == planning.PROBED_STEPS + 2
        return course._replace(seconds=[50.0, 50.1, 50.2, 55.2, 60.2, 65.2])

    monkeypatch.setattr(loop, "train", timed)
    plan = foretell(cohort, steps=1000)
    assert plan["cells"][0]["seconds"] == pytest.approx(5000, rel=0.01)
    assert any(name.startswith("drawing") for name in threads)
    assert plan["device"] == "cpu" and "GPU" not in "".join(plan["words"])
    assert "GPU" in planning.describe_plan(plan | {"device": "cuda"})[0]


def foretell_volumes(cohort, monkeypatch, free, gpu=False):
    """The plan of a network that is meant for a GPU, on a machine with so much free memory (MB)."""
    narrow = encoders_3d.BACKBONES_3D["amaes-unet-b"] | {"options": {"width": 2}, "channels": (2, 4, 8, 16, 32)}
    monkeypatch.setitem(encoders_3d.BACKBONES_3D, "amaes-unet-b", narrow)
    monkeypatch.setattr(compute, "free_memory", lambda: free)
    monkeypatch.setattr(planning.compute, "device", lambda: torch.device("cuda" if gpu else "cpu"))
    options = CellOptions(**OPTIONS, patches={"steps": 20, "batch": 1})
    slices, split = cohort
    counts, backbones = {"segmentation": {"amaes": 8}}, {"amaes": "amaes-unet-b"}
    return planning.plan_experiment(counts, split, SubjectFiles(slices), backbones, options, judged(("lp-ft",)))


def test_a_network_meant_for_a_gpu_is_timed_and_its_memory_named(cohort, monkeypatch):
    plan = foretell_volumes(cohort, monkeypatch, free=10000)
    row = plan["cells"][0]
    assert row["seconds"] > 0 and (row["memory"], row["free"], row["gpu"]) == (3500, 10000, False)
    assert "8 networks of about" in plan["words"][0]
    assert plan["words"][0].endswith("each takes about 3.5 GB of memory, and is meant for a GPU: there is none here")


@pytest.mark.parametrize("gpu", [False, True])
def test_a_network_that_does_not_fit_is_said_and_never_built(cohort, monkeypatch, gpu):
    monkeypatch.setattr(planning, "probe_cell", None)
    plan = foretell_volumes(cohort, monkeypatch, free=2000, gpu=gpu)
    assert plan["cells"][0]["seconds"] == 0 and len(plan["words"]) == 3
    where = "the GPU's memory" if gpu else "memory"
    assert plan["words"][0] == (
        f"segmentation from amaes: 8 networks, not timed: one takes about 3.5 GB of {where}, "
        "and 2.0 GB are free; it is meant for a GPU with more memory"
    )


def test_where_nobody_knows_the_memory_the_network_is_tried(monkeypatch):
    monkeypatch.setattr(compute, "free_memory", lambda: None)
    assert planning.fits(planning.measure_room("resenc-l", 1))
    assert planning.measure_room("medicalnet-resnet10", 1) == {} and planning.fits({})


def test_the_free_memory_of_this_machine_is_known_on_linux():
    free = compute.free_memory()
    assert free is None or 10 < free < 10**8
