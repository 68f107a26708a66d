"""Convolutions: the rule against torch and against its definition, written out."""

import numpy as np
import pytest
import strategies as some
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeproof.contract.errors import RecordError
from spikeproof.contract.synapses.conv import Conv


def one_sum(params, image, o, y, x):
    """The definition at the head of the module, term by term."""
    of_group = params.in_shape[0] // params.groups
    first = o // (len(params.weight) // params.groups) * of_group
    total = 0
    for c, i, j in np.ndindex(params.weight.shape[1:]):
        row = y * params.stride[0] - params.padding[0] + i * params.dilation[0]
        column = x * params.stride[1] - params.padding[1] + j * params.dilation[1]
        if 0 <= row < params.in_shape[1] and 0 <= column < params.in_shape[2]:
            total += int(params.weight[o, c, i, j]) * int(image[first + c, row, column])
    return total


@settings(max_examples=25)
@given(some.convs(), st.integers(0, 99))
def test_sums_follow_the_definition_and_stay_within_the_bound(params, seed):
    image = np.random.default_rng(seed).integers(-255, 256, params.in_shape)

    sums = params.sums(image.reshape(-1)).reshape(params.out_shape)

    assert sums.tolist() == [
        [[one_sum(params, image, o, y, x) for x in range(params.out_shape[2])] for y in range(params.out_shape[1])]
        for o in range(params.out_shape[0])
    ]
    assert np.abs(sums).max() <= params.bound(255)


@settings(max_examples=50)
@given(some.convs(), st.integers(0, 99))
def test_sums_are_torchs(params, seed):
    torch = pytest.importorskip("torch")
    images = np.random.default_rng(seed).integers(0, 2, (2, 3, params.num_inputs))

    sums = params.sums(images)

    expected = torch.nn.functional.conv2d(
        torch.as_tensor(images.reshape(-1, *params.in_shape), dtype=torch.float64),
        torch.as_tensor(params.weight.astype(np.float64)),
        stride=params.stride,
        padding=params.padding,
        dilation=params.dilation,
        groups=params.groups,
    )
    assert np.array_equal(sums, expected.numpy().reshape(2, 3, -1))
    assert sums.shape[-1] == params.num_neurons


ONES = np.full((4, 2, 3, 3), 2)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weight": ONES + 1}, r"Conv weight\[0, 0, 0, 0\] \(into channel 0\) = 3 is odd"),
        ({"weight": ONES[0]}, r"Conv weight: shape \(2, 3, 3\) is not \(outputs, inputs, rows, columns\)"),
        ({"in_shape": (3, 5, 5)}, r"shape \(4, 2, 3, 3\) does not fit 3 input channels in 1 groups"),
        ({"groups": 2}, r"shape \(4, 2, 3, 3\) does not fit 2 input channels in 2 groups"),
        ({"groups": 0}, r"Conv groups = 0 is not"),
        ({"in_shape": (2, 2, 5)}, r"a kernel of \(3, 3\) is larger than images of \(2, 5\)"),
        ({"in_shape": (2, 5)}, r"Conv in_shape: expected 3 numbers"),
        ({"stride": (0, 1)}, r"Conv stride\[0\] = 0 is not a whole number in 1\.\.127"),
        ({"padding": (0, 128)}, r"Conv padding\[1\] = 128 is not"),
        ({"dilation": (3, 1)}, r"a kernel of \(3, 3\) is larger than images"),
        ({"weight": np.zeros((1, 2, 128, 1)), "in_shape": (2, 200, 5)}, r"a kernel of \(128, 1\); Lava holds up to 127"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(changes, words):
    with pytest.raises(RecordError, match=words):
        Conv(**{"weight": ONES, "in_shape": (2, 5, 5), **changes})
