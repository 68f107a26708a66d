"""Parameters of SLAYER's neurons of every family, which the tests and the parity matrix draw from."""

from typing import Any

import torch

NEURONS: dict[str, dict[str, Any]] = {
    "cuba": {"threshold": 0.9, "current_decay": (0.1, 0.9), "voltage_decay": (0.02, 0.5)},
    "alif": {
        "threshold": 0.5, "threshold_step": 0.25, "current_decay": (0.2, 0.9), "voltage_decay": (0.1, 0.5),
        "threshold_decay": (0.05, 0.5), "refractory_decay": (0.2, 0.9),
    },
    "adrf": {
        "threshold": 0.2, "threshold_step": 0.1, "period": (6, 15), "decay": (0.02, 0.3),
        "threshold_decay": (0.05, 0.5), "refractory_decay": (0.4, 0.9),
    },
    "adrf_iz": {
        "threshold": 0.2, "threshold_step": 0.1, "period": (6, 15), "decay": (0.02, 0.3),
        "threshold_decay": (0.05, 0.5), "refractory_decay": (0.4, 0.9),
    },
    "rf": {"threshold": 0.3, "period": (5, 15), "decay": (0.02, 0.3)},
    "rf_iz": {"threshold": 0.5, "period": (5, 15), "decay": (0.02, 0.3)},
    "sigma_delta": {"threshold": 0.1, "activation": torch.nn.functional.relu},
}  # fmt: skip
"""Family -> parameters of its neurons; a pair is a range to draw from."""
