"""Read the tensors of a checkpoint that also holds other objects, without importing or running any of them.

Apart from `weights`, because `torch.load` takes a module, and uses its `Unpickler`, `load` and `loads`. Published
checkpoints often hold the settings of their training beside the tensors, as objects of a program that is not installed
here. torch's own safe mode refuses the whole file. Here everything but the tensors becomes an `Inert` object.
"""

import io
import pickle

# what a table of tensors is made of; the classes of storages are translated by torch before this is asked
PLAIN = {
    ("collections", "OrderedDict"),
    ("torch", "Size"),
    ("torch", "device"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch._utils", "_rebuild_tensor_v2"),
}


class Inert:
    """Stands for an object of any other class: it takes all that a pickle does to objects, and does nothing."""

    def __new__(cls, *_, **__):
        """Take any arguments."""
        return super().__new__(cls)

    def __init__(self, *_, **__):
        pass

    def __setstate__(self, _):
        pass

    def __setitem__(self, _, __):
        pass

    def append(self, _):
        """Drop an item."""

    def extend(self, _):
        """Drop items."""


class Unpickler(pickle.Unpickler):
    """Resolve only the names of `PLAIN`."""

    def find_class(self, module, name):
        """Return the class or function of `PLAIN`; for any other name `Inert`, without importing anything."""
        return super().find_class(module, name) if (module, name) in PLAIN else Inert


def load(file, **options):
    """Read a pickle from a file, as `pickle.load`."""
    return Unpickler(file, **options).load()


def loads(data, **options):
    """Read a pickle from bytes, as `pickle.loads`."""
    return load(io.BytesIO(data), **options)
