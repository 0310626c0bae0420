"""Faults of the public kit that this one must not have; the tests of the rest are where the subject is.

1, 2, 4   tests/training/test_solver.py         8    tests/data/test_data_utils.py, test_download.py
5         .../test_solver_checkpoints.py        9    tests/kit/test_requirements.py
6         tests/layers/test_contracts.py        10   tests/pages/test_notebooks.py, test_notebook_2.py
          and test_fc_net.py                    11   tests/checking/test_submission.py
7         tests/gradients                       12   tests/pages/test_vis_utils.py
"""

import pytest

from cs231n.classifiers.fc_net import FullyConnectedNet
from cs231n.solver import Solver


@pytest.mark.parametrize("solver_seed", [None, 5])
def test_fault_3_a_dropout_seed_repeats_the_minibatches(blobs, solver_seed):
    data, D, C = blobs
    model, seen = FullyConnectedNet([8], input_dim=D, num_classes=C, dropout_keep_ratio=0.5, seed=123), []
    loss = model.loss
    model.loss = lambda X, y=None: (seen.append(X.tobytes()) if y is not None else None) or loss(X, y)
    Solver(model, data, num_epochs=20, batch_size=15, verbose=False, rng=solver_seed).train()
    assert len(seen) == len(set(seen)) == 80


def test_fault_4_any_name_in_the_module_of_rules_is_a_rule(blobs):
    with pytest.raises(ValueError, match="update_rule must be one of 'sgd'.*got 'np'"):
        Solver(FullyConnectedNet([8], input_dim=blobs[1]), blobs[0], update_rule="np")
