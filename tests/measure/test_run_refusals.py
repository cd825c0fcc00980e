"""Bad input to an analysis is named."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import modviz
from tests.measure.small import four_by_four, tiny_mlp

QUICK = {"n_clusters": 3, "n_controls": 9, "progress": False}
IMAGES, LABELS = four_by_four(40)


def nan_weights(name="fc2.weight"):
    model = tiny_mlp()
    model.get_parameter(name).data[1] = math.nan
    return model


class Untraceable(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(16, 5), nn.Linear(5, 4)

    def forward(self, x):
        x = self.fc1(x.flatten(1))
        return self.fc2(x) if x.sum() > 0 else self.fc2(-x)


BAD = {
    "data shape": ({"data": (IMAGES[:, :, :3], LABELS)}, ValueError,
                   r"can't run on inputs of shape \(1, 3, 4\)"),
    "lengths": ({"data": (IMAGES, LABELS[:5])}, ValueError,
                r"labels have shape \(5,\) for 40 images"),
    "labels out of range": ({"data": (IMAGES, LABELS + 3)}, ValueError,
                            r"labels run from 3 to 6, but the model tells 4 classes"),
    "negative labels": ({"data": (IMAGES, LABELS - 1)}, ValueError, "labels run from -1 to 2"),
    "fractional labels": ({"data": (IMAGES, LABELS + 0.5)}, ValueError, "labels are fractions"),
    "one class": ({"data": (IMAGES, LABELS * 0 + 2)}, ValueError, "all images are of class 2"),
    "no data": ({"data": (IMAGES[:0], LABELS[:0])}, ValueError, "the data set is empty"),
    "bytes": ({"data": ((IMAGES * 255).byte(), LABELS)}, ValueError, "images are torch.uint8"),
    "nan images": ({"data": (IMAGES * math.nan, LABELS)}, ValueError, "images hold NaN"),
    "not data": ({"data": "mnist"}, TypeError, "data is str; expected"),
    "not a model": ({"model": "mlp"}, TypeError, "model is str; expected a torch.nn.Module"),
    "nan weights": ({"model": nan_weights()}, ValueError, "'fc2.weight' of the model holds NaN"),
    "nan bias": ({"model": nan_weights("output.bias")}, ValueError, "'output.bias' of the model"),
    "not traceable": ({"model": Untraceable()}, ValueError,
                      "Untraceable can't be traced: test_run_refusals.py, line"),
    "no hidden layer": ({"model": nn.Sequential(nn.Flatten(), nn.Linear(16, 4))}, ValueError,
                        "no hidden layer"),
    "one hidden layer": (
        {"model": nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 4))},
        ValueError, "nothing connects the layers .*include_inputs=True"),
    "many clusters": ({"n_clusters": 63}, ValueError,
                      "n_clusters=63 is more than the 62 live units"),
    "few clusters": ({"n_clusters": 1}, ValueError, "n_clusters=1; expected at least 2"),
    "float clusters": ({"n_clusters": 8.0}, TypeError, "n_clusters=8.0; expected a whole number"),
    "no controls": ({"n_controls": 0}, ValueError, "n_controls=0; expected at least 1"),
    "image controls": ({"n_image_controls": 12}, ValueError, "n_image_controls=12 is more than"),
    "layer": ({"layers": ("fc1", "fc9")}, ValueError, "there is no hidden layer 'fc9'"),
    "edges": ({"edges": "thoughts"}, ValueError, "edges='thoughts'; expected one of"),
    "lesion": ({"lesion": "ice"}, ValueError, "lesion='ice'; expected one of"),
    "norm": ({"kernel_norm": "l7"}, ValueError, "kernel_norm='l7'; expected one of"),
    "seed": ({"seed": -1}, ValueError, "seed=-1; expected at least 0"),
    "workers": ({"workers": 0}, ValueError, "workers=0; expected at least 1"),
    "large seed": ({"seed": 2**32}, ValueError, "seed=4294967296; expected at most 4294967295"),
    "cancel": ({"cancel": True}, TypeError, "cancel is bool; expected a threading.Event"),
    "progress": ({"progress": 3}, TypeError, "progress=3; expected True, False or a function"),
    "preprocess": ({"preprocess": 3}, TypeError, "preprocess=3; expected a function of pictures"),
    "wrong pictures": ({"preprocess": lambda x: x[..., :3]}, ValueError,
                       r"turns pictures of shape \(1, 1, 4, 4\) into \(1, 1, 4, 3\)"),
    "no pictures": ({"preprocess": lambda x: 1}, ValueError, "preprocess gives int"),
    "detached": ({"preprocess": lambda x: x.detach()}, ValueError, "features=False"),
    "names": ({"class_names": "abcd"}, TypeError, "class_names='abcd'; expected a list"),
    "objects": ({"data": [(IMAGES[0], object())] * 9}, TypeError, "data is list; expected"),
    "features": ({"features": "yes"}, TypeError, "features='yes'; expected True or False"),
    "keyword": ({"n_cluster": 4}, TypeError,
                "unknown keyword 'n_cluster'; did you mean 'n_clusters'"),
    "strange keyword": ({"zzz": 4}, TypeError, "unknown keyword 'zzz'; known keywords: layers"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    changed, error, match = BAD[case]
    given = {"model": tiny_mlp(), "data": (IMAGES, LABELS)} | QUICK | changed
    model, data = given.pop("model"), given.pop("data")
    with pytest.raises(error, match=match):
        modviz.analyze(model, data, **given)


def test_other_forms_of_bad_data():
    class Nothing(IterableDataset):
        def __iter__(self):
            return iter(())

    class Objects(TensorDataset):
        def __getitem__(self, index):
            return object(), 1

    short = DataLoader(TensorDataset(IMAGES, LABELS), batch_size=64, drop_last=True)
    for empty in (Nothing(), DataLoader(Nothing()), short):
        with pytest.raises(ValueError, match="the data set is empty"):
            modviz.analyze(tiny_mlp(), empty, **QUICK)
    with pytest.raises(TypeError, match="could not be put into batches"):
        modviz.analyze(tiny_mlp(), Objects(IMAGES, LABELS), **QUICK)
    with pytest.raises(TypeError, match="a batch; expected pairs"):
        modviz.analyze(tiny_mlp(), DataLoader(TensorDataset(IMAGES), batch_size=4), **QUICK)
    model = nn.Sequential(nn.Conv1d(2, 5, 3), nn.ReLU(), nn.Conv1d(5, 5, 2), nn.Flatten())
    model.append(nn.Linear(5, 4))
    with pytest.raises(ValueError, match="feature visualizations need images"):
        modviz.analyze(model, (torch.rand(8, 2, 4), torch.arange(8) % 4), **QUICK)
