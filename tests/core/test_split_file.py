"""The split file by task."""

from helpers.fake_cells import freeze
from neurograft.core.split_file import map_tasks


def test_tasks_are_those_of_the_file():
    task = {"trainable": True, "subjects": ["a"]}
    split = freeze({"scheme": "brats2018", "schemes": {}, "tasks": {"segmentation": task, "classification": task}})
    assert map_tasks(split) == {"segmentation": task, "classification": task}
