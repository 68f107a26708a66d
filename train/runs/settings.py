"""Settings that every recipe has: the data, and how a network is trained on them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from ...contract.synapses import axon
from ...contract.synapses.delays import MAX_DELAY
from ..blocks.dropout import Mask
from ..tasks import DIVIDED, FORECASTS, GENERATED, MNIST_SIDE, PIXELWISE, TASKS, Normalise

Count = Annotated[int, Field(gt=0, le=10**6)]
Layers = Annotated[int, Field(gt=0, le=64)]
Width = Annotated[int, Field(gt=0, le=2**16)]
Channels = Annotated[int, Field(gt=0, le=4096)]
"""Bounds that no network worth training reaches: a slip of the pen is told of, and does not run for days."""
_LARGEST = 1e30
"""A rate beyond leaves float32 in the first step, whatever is trained."""
_WIDEST = 1000.0
"""Far beyond the end of every encoding's register."""


def _listed(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


def _listed_or_none(value: Any) -> Any:
    return () if value == "" else _listed(value)


Widths = Annotated[tuple[Width, ...], Field(min_length=1, max_length=64), pydantic.BeforeValidator(_listed)]
"""Widths of layers, a sequence or numbers with commas between them."""
Scales = Annotated[tuple[Width, ...], Field(max_length=65), pydantic.BeforeValidator(_listed_or_none)]
"""Scales of layers, likewise; there may be none."""


class Settings(BaseModel):
    """A group of settings; one that it does not have is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Data(Settings):
    """What a network is trained on.

    Parameters
    ----------
    task : str
        What is learned, from which data.
    length : int
        Steps in each sequence of a generated task.
    window : int
        Steps that a forecast sees.
    horizon : int
        Steps after the window that are forecast.
    normalise : {"train", "leaking"}
        Rows that the normalisation of a time series looks at: those that the training part sees, or all, test part
        included, which is what the authors of CPG-PE do and never a fair result.
    stride : int
        Every how many-th sample of the training and the validation part is kept, for small budgets; the test part is
        whole.
    shrink : int
        Side of the squares of pixels of an MNIST image, each of which becomes one pixel, their average, for small
        budgets: 2 makes 196 steps of 784. It divides 28.
    validation : float
        Share of the training part that is held out to choose the epoch that is kept; 0 keeps the last. Tasks that
        come with a validation part have no use for it.
    augment_translate, augment_rotate, augment_scale : float
        Random views of training images that are read pixel by pixel, drawn anew in every epoch: most pixels that an
        image moves along each axis, most degrees that it turns, largest part by which it grows or shrinks. Held-out and
        test images stay as they are.
    """

    task: str
    length: Count = 100
    window: Count = 12
    horizon: Count = 6
    normalise: Normalise = "train"
    stride: Count = 1
    shrink: Count = 1
    validation: float = Field(0.0, ge=0, lt=1)
    augment_translate: float = Field(0.0, ge=0, le=100)
    augment_rotate: float = Field(0.0, ge=0, le=180)
    augment_scale: float = Field(0.0, ge=0, lt=1)

    @property
    def augmented(self) -> bool:
        """Whether training sees random views of its images."""
        return bool(self.augment_translate or self.augment_rotate or self.augment_scale)

    @pydantic.field_validator("task")
    @classmethod
    def _known(cls, task: str) -> str:
        if task not in TASKS:
            raise ValueError(f"{task!r} is unknown; known are {', '.join(TASKS)}")
        return task

    @pydantic.model_validator(mode="after")
    def _fit_the_task(self) -> Data:
        if self.validation and self.task in DIVIDED:
            raise ValueError(
                f"validation is for tasks without a validation part of their own, and {self.task!r} has one"
            )
        for key in ("window", "horizon", "normalise"):
            if self.task not in FORECASTS and getattr(self, key) != Data.model_fields[key].default:
                raise ValueError(f"{key} is for forecasts of time series, and task is {self.task!r}")
        if self.task not in GENERATED and self.length != Data.model_fields["length"].default:
            raise ValueError(f"length is for {' and '.join(sorted(GENERATED))}, and task is {self.task!r}")
        if self.shrink != 1 and (TASKS[self.task] != "mnist" or MNIST_SIDE % self.shrink):
            raise ValueError(
                f"shrink = {self.shrink} is for s-mnist and ps-mnist, whose images are {MNIST_SIDE} pixels wide, and "
                f"divides that; task is {self.task!r}"
            )
        if self.augmented and self.task not in PIXELWISE:
            key = next(key for key in Data.model_fields if key.startswith("augment_") and getattr(self, key))
            raise ValueError(f"{key} is for images read pixel by pixel, and task is {self.task!r}")
        return self


class Training(Settings):
    """How a network is trained.

    Parameters
    ----------
    epochs : int
        Passes over the training part.
    batch_size : int
        Samples a step, of all devices together.
    learning_rate : float
        Largest learning rate of the optimiser, AdamW.
    weight_decay : float
        Weight decay of the optimiser, AdamW.
    schedule : {"one-cycle", "step", "constant"}
        The learning rate over a run: up for `warmup` of it and down to zero along cosines; times `step_factor` every
        `step_epochs` epochs; or always the same.
    warmup : float
        Share of a run in which a "one-cycle" rate rises, and `half_width_start` becomes `half_width`.
    step_epochs : int
        Epochs after which schedule = "step" lowers the learning rate.
    step_factor : float
        What schedule = "step" multiplies the learning rate with.
    gradient_clip : float
        Largest norm of the gradient, all parameters together; 0 does not clip.
    skip_steps : int
        Steps of an epoch that may be left out because their gradient is not finite; the next one stops the training.
    rate_penalty : float
        What is added to the loss for each spike that a hidden neuron sends a step, averaged over layers: fewer spikes
        cost less on a chip.
    patience : int
        Epochs without a better validation score after which training ends; 0 for never.
    te_rate : float
        Factor on the learning rate of the temporal encoding. One that oscillators drive wants a smaller one: each of
        its weights acts in many steps.
    weight_decay_on : {"all", "weights"}
        Whether `weight_decay` makes all parameters but delays smaller, or the weights of synapses alone: no biases, no
        norms, no encoding.
    label_smoothing : float
        Share of a label that is spread evenly over all classes while training.
    average : float
        What an exponential moving average of the parameters keeps of itself a step, 0.999 say. The average is what is
        validated, kept and exported. 0 for none.
    seed : int
        Seed of the weights, of the order of samples and of a task's random data.
    threads : int
        Threads of torch. They decide in which order floats are summed, so a run repeats bit for bit only with the
        same number; one is also the fastest for networks of some hundred neurons.
    """

    epochs: Count = 50
    batch_size: Count = 128
    learning_rate: float = Field(1e-2, gt=0, le=_LARGEST)
    weight_decay: float = Field(0.0, ge=0, le=1000)
    schedule: Literal["one-cycle", "step", "constant"] = "one-cycle"
    warmup: float = Field(0.1, gt=0, lt=1)
    step_epochs: Count = 10
    step_factor: float = Field(0.8, gt=0, le=1)
    gradient_clip: float = Field(0.0, ge=0, le=_LARGEST)
    skip_steps: int = Field(0, ge=0, le=10**6)
    rate_penalty: float = Field(0.0, ge=0, le=_LARGEST)
    patience: int = Field(0, ge=0, le=10**6)
    te_rate: float = Field(1.0, ge=0, le=1000)
    weight_decay_on: Literal["all", "weights"] = "all"
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    average: float = Field(0.0, ge=0, lt=1)
    seed: int = Field(0, ge=0, lt=2**32)
    threads: int = Field(1, gt=0, le=256)


class Integer(Settings):
    """Settings of networks of integers.

    Parameters
    ----------
    scale : int
        Weight units in 1.0, a power of two.
    voltage_decay : float
        Fraction of the membrane that is lost in a step.
    threshold_decay : float
        Fraction of the threshold's adaptation that is lost in a step.
    te_exp : int
        Exponent of the temporal encoding: its values are whole multiples of ``2**-te_exp``.
    input_exp : int
        Exponent of analog input: its values are rounded to whole multiples of ``2**input_exp``.
    cpg_te : int
        Number of CPG oscillators that drive the temporal encoding; 0 for a table.
    keep_provable : float
        Part of their range that registers may take, whatever the input: after every optimiser step the weights into
        each neuron are made as small as that needs, see `spikeproof.train.provable`. 1 for the whole range, 0 for
        weights that nobody looks at.
    te_mean : float
        Mean of the temporal encoding before training.
    te_std : float
        Standard deviation of the temporal encoding before training.
    scales : tuple of int
        Weight units in 1.0 of each hidden layer and of the read-out, in place of `scale`; empty for `scale` everywhere.
        Weights of a layer span -256/scale to 254/scale.
    half_width : float
        Half-width of the boxcar, the surrogate of a spike's derivative: gradients flow where membrane and threshold are
        nearer to each other than this.
    half_width_start : float
        Half-width in the first epoch; epoch by epoch it grows to `half_width` over the first `warmup` of the run. A
        wide boxcar can make gradients explode before training, and not after the first epochs. 0 for `half_width` from
        the start.
    ends : {"stop", "inward"}
        What gradients get past the end of a register: none, or those that bring a value back, see
        `spikeproof.train.blocks.rounding.quantize`.
    dropout : float
        Share of the hidden neurons that are silent while training, see `spikeproof.train.blocks.dropout`.
    dropout_mask : {"sequence", "step"}
        Whether the same neurons are silent through a whole sample, or others in every step.
    """

    scale: Width = 256
    voltage_decay: float = Field(0.5, ge=0, le=1)
    threshold_decay: float = Field(0.01, ge=0, le=1)
    te_exp: int = 9
    input_exp: int = -6
    cpg_te: int = Field(0, ge=0, le=4096)
    keep_provable: float = Field(0.0, ge=0, le=1)
    te_mean: float = Field(0.01, ge=-_WIDEST, le=_WIDEST)
    te_std: float = Field(0.01, ge=0, le=_WIDEST)
    scales: Scales = ()
    half_width: float = Field(0.2, gt=0, le=1000)
    half_width_start: float = Field(0.0, ge=0, le=1000)
    ends: Literal["stop", "inward"] = "stop"
    dropout: float = Field(0.0, ge=0, lt=1)
    dropout_mask: Mask = "sequence"

    @pydantic.field_validator("scales")
    @classmethod
    def _powers_of_two(cls, scales: tuple[int, ...]) -> tuple[int, ...]:
        for scale in scales:
            if scale & (scale - 1):
                raise ValueError(f"{scale} is not a power of two; use 64, 128, 256 or 512")
        return scales


class Delayed(Settings):
    """Delays that learn, of the hidden layers.

    Parameters
    ----------
    delay : {"none", "axon", "synapse"}
        Which delays learn: none, one a neuron for what it sends, or one a synapse that arrives at a hidden layer.
    max_delay : int
        The longest delay in steps: up to 63 of axons, up to 1023 of synapses.
    delay_rate : float
        Factor on the learning rate of delays, which are numbers of steps. 0 keeps them as they are drawn.
    """

    delay: Literal["none", "axon", "synapse"] = "none"
    max_delay: int = Field(20, ge=1, le=MAX_DELAY)
    delay_rate: float = Field(20.0, ge=0, le=1000)

    @pydantic.model_validator(mode="after")
    def _delay_what_may_be(self) -> Delayed:
        default = Delayed.model_fields
        for key in ("max_delay", "delay_rate"):
            if self.delay == "none" and getattr(self, key) != default[key].default:
                raise ValueError(f"{key} is for delays that learn: set delay = axon or synapse")
        if self.delay == "axon" and self.max_delay > axon.MAX_DELAY:
            raise ValueError(f"max_delay = {self.max_delay} is beyond the {axon.MAX_DELAY} steps of an axon")
        return self


class Attending(Settings):
    """Settings of networks with attention.

    Parameters
    ----------
    heads : int
        Attention heads.
    """

    heads: Channels = 8


class Convolving(Settings):
    """Settings of networks that are convolutions over time.

    Parameters
    ----------
    kernel : int
        Taps of a convolution.
    """

    kernel: int = Field(3, ge=2, le=4096)
